"""Rows for Cassandra: keyed by the event alone, in batches of one partition and bounded size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from cassandra.query import PreparedStatement

from settings import ROOT
from spark_jobs import domains
from spark_jobs.sinks import cassandra as sink
from stores.cassandra import statements

EVENTS, ORDERS = domains.load("ecommerce").ARCHIVE
START = datetime(2026, 3, 14, 15, 9, 30, tzinfo=UTC)


def frame(sessions: list[bytes], order: bytes | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "session_id": sessions,
            "occurred_at": [START + timedelta(seconds=n) for n in range(len(sessions))],
            "event_id": [bytes([n]) * 16 for n in range(len(sessions))],
            "transaction_id": [order] * len(sessions),
            "payload": [f"event {n}" for n in range(len(sessions))],
        },
        schema_overrides={"transaction_id": pl.Binary, "occurred_at": pl.Datetime("us", "UTC")},
    )


def test_a_minute_and_shard_is_a_partition() -> None:
    found = sink.rows(EVENTS, frame([b"\x01" * 16, b"\x11" * 16, b"\x02" * 16]))
    minute = START.replace(second=0)
    assert {key: [row[-1] for row in rows] for key, rows in found.items()} == {
        (minute, 1): ["event 0", "event 1"],
        (minute, 2): ["event 2"],
    }
    assert all(row[:2] == key for key, rows in found.items() for row in rows)


def test_only_events_with_an_order_go_by_order() -> None:
    assert sink.rows(ORDERS, frame([bytes(16)])) == {}
    [(key, rows)] = sink.rows(ORDERS, frame([bytes(16), bytes(16)], order=b"\x07" * 16)).items()
    assert key == (b"\x07" * 16,)
    assert [row[-1] for row in rows] == ["event 0", "event 1"]


def test_the_insert_names_columns_that_the_schema_has() -> None:
    script = (ROOT / "cassandra" / "ecommerce.cql").read_text()
    created = {statement.split()[5]: statement for statement in statements(script)}
    for archive in (EVENTS, ORDERS):
        columns = archive.insert.split("(")[1].split(")")[0].split(", ")
        assert all(f"{column} " in created[archive.name] for column in columns)


def test_batches_are_bounded(monkeypatch) -> None:
    statement = PreparedStatement([], None, None, "", "ks", 5, None, None)
    monkeypatch.setattr(sink.BatchStatement, "add", lambda batch, *_: batch._statements_and_parameters.append(None))
    many = {("p",): [("key", "x")] * 250, ("q",): [("key", "x" * 100_000)] * 3}
    assert [len(batch) for batch in sink.batches(statement, many)] == [100, 100, 50, 1, 1, 1]
