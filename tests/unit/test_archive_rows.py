"""Rows for Cassandra: keyed by the event alone, in batches of one partition and bounded size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID
from zlib import crc32

import polars as pl
import pytest
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionBusy
from cassandra.cqltypes import BytesType, ByteType, DateType, UTF8Type, UUIDType

import contracts
from spark_jobs import domains
from spark_jobs.seen import digests
from spark_jobs.sinks import cassandra as sink
from stores.cassandra import SHARDS, scripts, statements

EVENTS, ORDERS = domains.raw_tables("ecommerce")
START = datetime(2026, 3, 14, 15, 9, 30, tzinfo=UTC)


def frame(sessions: list[bytes], order: bytes | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "session_id": sessions,
            "occurred_at": [START + timedelta(seconds=n) for n in range(len(sessions))],
            "event_id": [bytes([n]) * 16 for n in range(len(sessions))],
            "transaction_id": [order] * len(sessions),
            "digest": range(7, 7 + len(sessions)),
            "value": [b"event %d" % n for n in range(len(sessions))],
        },
        schema_overrides={"digest": pl.UInt64, "transaction_id": pl.Binary, "occurred_at": pl.Datetime("us", "UTC")},
    )


def milliseconds(time: datetime) -> bytes:
    return (int(time.timestamp()) * 1000).to_bytes(8, "big")


def test_a_minute_and_shard_is_a_partition() -> None:
    found = sink.rows(EVENTS, frame([b"\x01" * 16, b"\x11" * 16, b"\x02" * 16]))
    minute = milliseconds(START.replace(second=0))
    assert {key: [row[-1] for row in rows] for key, rows in found.items()} == {
        (minute, b"\x01"): [b"event 0", b"event 1"],
        (minute, b"\x02"): [b"event 2"],
    }
    assert all(row[:2] == key for key, rows in found.items() for row in rows)


def test_a_row_is_encoded_as_the_driver_encodes_it() -> None:
    [[row]] = sink.rows(EVENTS, frame([b"\x25" * 16])).values()
    columns = (DateType, ByteType, UUIDType, DateType, UUIDType, BytesType, UTF8Type)
    digest = (7).to_bytes(8)
    values = (START.replace(second=0), 5, UUID(bytes=b"\x25" * 16), START, UUID(int=0), digest, "event 0")
    assert row == tuple(column.serialize(value, 5) for column, value in zip(columns, values, strict=True))


def test_a_text_can_be_what_events_are_partitioned_by() -> None:
    stations = ["harbour", "hill"]
    raw = sink.RawTable("events", ("station", "occurred_at", "event_id"), "station")
    found = sink.rows(raw, frame([bytes(16)] * 2).with_columns(pl.Series("station", stations)))
    assert {shard[0]: row[2] for (_, shard), [row] in found.items()} == {
        crc32(name.encode()) % SHARDS: name.encode() for name in stations
    }


def test_only_events_with_an_order_go_by_order() -> None:
    assert sink.rows(ORDERS, frame([bytes(16)])) == {}
    [(key, rows)] = sink.rows(ORDERS, frame([bytes(16), bytes(16)], order=b"\x07" * 16)).items()
    assert key == (b"\x07" * 16,)
    assert [row[-1] for row in rows] == [b"event 0", b"event 1"]


def test_lines_are_those_of_the_events_in_their_order() -> None:
    events = frame([b"\x02" * 16, b"\x01" * 16])
    assert [row[-1] for row in sink.lines(EVENTS, events)] == [b"event 0", b"event 1"]
    assert [None in row for row in sink.lines(ORDERS, events)] == [True, True]


def test_statements_name_columns_that_the_schema_has() -> None:
    made = [statement for script in scripts(contracts.load("ecommerce"), 60) for statement in statements(script)]
    created = {statement.split()[5]: statement for statement in made if statement.startswith("CREATE TABLE")}
    for table in (EVENTS, ORDERS):
        assert all(f"{column} " in created[table.name] for column in (*table.key, "payloads"))
    assert all(f"{column} " in created["passed_over"] for column in (*EVENTS.key, *sink.NOTED))


def test_values_stand_in_the_order_of_the_statement() -> None:
    assert ORDERS.put == (
        "UPDATE events_by_order SET payloads[?] = ? WHERE transaction_id = ? AND occurred_at = ? AND event_id = ?"
    )
    assert sink.values((b"key", b"time", b"id", b"digest", b"payload")) == (
        b"digest",
        b"payload",
        b"key",
        b"time",
        b"id",
    )


def test_a_row_tells_all_that_came_under_its_key() -> None:
    early = '{"a": 1}'
    row = SimpleNamespace(payload=early, payloads={(5).to_bytes(8): "later"})
    assert list(sink.received(row)) == [(digests([early.encode()])[0], early.encode()), (5, b"later")]
    assert list(sink.received(SimpleNamespace(payload=None, payloads=None))) == []


def test_batches_are_bounded() -> None:
    many = {(b"p",): [(b"key", b"digest", b"x")] * 650, (b"q",): [(b"key", b"digest", b"x" * 150_000)] * 3}
    assert sorted(len(batch) for batch in sink.batches(b"", many)) == [1, 1, 1, 50, 300, 300]


def test_partitions_take_turns() -> None:
    two = {(b"p",): [(b"key", b"digest", b"x")] * 650, (b"q",): [(b"key", b"digest", b"x")] * 350}
    assert [batch.routing_key for batch in sink.batches(b"", two)] == [b"p", b"q", b"p", b"q", b"p"]


class Answer:
    """A future of the driver."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def result(self) -> None:
        if self.error:
            raise self.error


class Session:
    """A session that is too busy for some statements, once, or that fails."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.written: list[str] = []

    def execute_async(self, statement: str) -> Answer:
        error = self.answers.pop(0) if self.answers else None
        if error is None:
            self.written.append(statement)
        return Answer(error)


BUSY = NoHostAvailable("", {"node": ConnectionBusy("overloaded")})


def test_what_a_full_socket_refused_is_sent_again() -> None:
    session = Session(None, BUSY, BUSY, None)
    sink.send(session, ["a", "b", "c", "d"])
    assert sorted(session.written) == ["a", "b", "c", "d"]


def test_a_socket_that_stays_full_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "BUSY_AT_MOST_S", 0.05)
    with pytest.raises(NoHostAvailable):
        sink.send(Session(*[BUSY] * 1000), ["a"])


def test_any_other_error_is_raised() -> None:
    away = NoHostAvailable("", {"node": ConnectionBusy(""), "other": OSError()})
    with pytest.raises(NoHostAvailable):
        sink.send(Session(away), ["a"])


def test_a_batch_is_routed_by_its_partition() -> None:
    [simple] = sink.batches(b"", {(b"key",): [(b"", b"", b"")]})
    [composite] = sink.batches(b"", {(b"ab", b"c"): [(b"", b"", b"")]})
    assert (simple.routing_key, composite.routing_key) == (b"key", b"\0\2ab\0\0\1c\0")
