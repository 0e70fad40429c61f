"""Cassandra: archives events as they were received. Runs in Spark's workers; writing twice changes nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import zip_longest
from struct import pack
from typing import Any

import polars as pl
from cassandra.cluster import NoHostAvailable, ResponseFuture, Session
from cassandra.connection import ConnectionBusy
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement, Statement

from settings import Settings
from spark_jobs.dedup import DECIDED
from spark_jobs.seen import digests
from stores import cassandra, proven_hours
from stores.retry import Unavailable

ROWS_PER_BATCH = 300
BYTES_PER_BATCH = 256 * 1024
BATCHES_IN_FLIGHT = 8
BUSY_AT_MOST_S = 20.0
BUSY_PAUSE_S = 0.01

Row = tuple[bytes, ...]


@dataclass(frozen=True)
class RawTable:
    """A Cassandra table of raw events.

    - clustering: the fields of the contract that lead an event's row; an event in which one is null is left out
    - sharded_by: the id that chooses the shard of a minute, for tables whose partition key is (minute, shard);
      None for tables whose partition key is the first of `clustering`
    """

    name: str
    clustering: tuple[str, ...]
    sharded_by: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the primary key."""
        return (*(("minute", "shard") if self.sharded_by else ()), *self.clustering)

    @property
    def put(self) -> str:
        """The statement that adds a payload to an event's row, with a row's values in their order."""
        where = " AND ".join(f"{column} = ?" for column in self.key)
        return f"UPDATE {self.name} SET payloads[?] = ? WHERE {where}"  # noqa: S608 - no data in it


def encoded(column: pl.Series) -> list[bytes]:
    """Values as Cassandra's protocol has them: times are milliseconds in 8 bytes, as are digests, ids and text are
    their bytes.

    The driver's own way, through an object a value, takes five times as long.
    """
    if column.dtype.is_temporal():
        milliseconds = column.dt.epoch("ms").to_numpy().astype(">i8").tobytes()
        return _eights(milliseconds)
    if column.dtype == pl.UInt64:
        return _eights(column.to_numpy().astype(">u8").tobytes())
    return column.cast(pl.Binary).to_list()


def _eights(joined: bytes) -> list[bytes]:
    return [joined[at : at + 8] for at in range(0, len(joined), 8)]


def lines(table: RawTable, events: pl.DataFrame) -> Iterator[Row]:
    """The row of each event, in order, key, digest and payload; where a field that leads it is null, so is what stands
    for it."""
    columns = [encoded(events[name]) for name in (*table.clustering, "digest", "value")]
    if table.sharded_by:
        keys = columns[table.clustering.index(table.sharded_by)]
        shards = [bytes([cassandra.shard(key)]) for key in keys]
        columns = [encoded(events["occurred_at"].dt.truncate("1m")), shards, *columns]
    return zip(*columns, strict=True)


def rows(table: RawTable, events: pl.DataFrame) -> dict[Row, list[Row]]:
    """Partition key -> rows of a table of raw events, encoded, from columns of the contract, `value`, the event's bytes
    as received, and `digest`, which is made of them."""
    partitions: dict[Row, list[Row]] = {}
    for row in lines(table, events.drop_nulls(list(table.clustering))):
        partitions.setdefault(row[: 2 if table.sharded_by else 1], []).append(row)
    return partitions


def batches(query_id: bytes, partitions: Mapping[Row, Sequence[Row]]) -> Iterator[BatchStatement]:
    """Statements that write the rows by a prepared insert, each within one partition and of bounded size.

    The partitions take turns: those that are in flight together would wait for each other in the same one.
    """
    of_each = [_batches_of_partition(query_id, key, lines) for key, lines in partitions.items()]
    return (batch for turn in zip_longest(*of_each) for batch in turn if batch is not None)


def _batches_of_partition(query_id: bytes, key: Row, lines: Iterable[Row]) -> Iterator[BatchStatement]:
    batch, size = _batch(key), 0
    for line in lines:
        if len(batch) == ROWS_PER_BATCH or (size and size + len(line[-1]) > BYTES_PER_BATCH):
            yield batch
            batch, size = _batch(key), 0
        # What BatchStatement.add makes of a prepared statement, for values that are encoded already.
        batch._statements_and_parameters.append((True, query_id, values(line)))
        size += len(line[-1])
    yield batch


def values(line: Row) -> Row:
    """A row in the order in which `RawTable.put` takes it."""
    *key, digest, payload = line
    return (digest, payload, *key)


def _batch(key: Row) -> BatchStatement:
    batch = BatchStatement(BatchType.UNLOGGED)
    # Tells the driver which nodes have the partition.
    batch.routing_key = key[0] if len(key) == 1 else b"".join(pack(">H", len(k)) + k + b"\0" for k in key)
    return batch


def send(session: Session, statements: Iterable[Statement]) -> None:
    """Executes statements, a bounded number at a time. Raises what the driver raises.

    While the socket to a node is full, the driver refuses to send: that is no outage, and those are sent once more
    when what is in flight has been answered.
    """
    waiting, in_flight = deque(statements), deque[tuple[Statement, ResponseFuture]]()
    answered_at = time.monotonic()
    while waiting or in_flight:
        while waiting and len(in_flight) < BATCHES_IN_FLIGHT:
            statement = waiting.popleft()
            in_flight.append((statement, session.execute_async(statement)))
        statement, future = in_flight.popleft()
        try:
            future.result()
            answered_at = time.monotonic()
        except NoHostAvailable as error:
            if not _is_busy(error) or time.monotonic() - answered_at > BUSY_AT_MOST_S:
                raise
            waiting.append(statement)
            if not in_flight:
                time.sleep(BUSY_PAUSE_S)


def _is_busy(error: NoHostAvailable) -> bool:
    return bool(error.errors) and all(isinstance(cause, ConnectionBusy) for cause in error.errors.values())


_sessions: dict[Settings, Session] = {}
"""One a domain, as long as the process lives or until an outage."""


def _session(settings: Settings) -> Session:
    if settings not in _sessions:
        _sessions[settings] = cassandra.connect(settings, "spark", settings.domain)
    return _sessions[settings]


@cache
def _prepared(session: Session, statement: str) -> PreparedStatement:
    return session.prepare(statement)


def write(settings: Settings, tables: tuple[RawTable, ...], events: pl.DataFrame) -> None:
    """Writes events (columns of the contract and `value`) to every table of raw events. Raises Unavailable."""
    try:
        with cassandra.outages():
            session = _session(settings)
            for table in tables:
                send(session, batches(_prepared(session, table.put).query_id, rows(table, events)))
    except Unavailable:
        if session := _sessions.pop(settings, None):
            session.cluster.shutdown()
        _prepared.cache_clear()
        raise


def archived(settings: Settings, table: RawTable, events: pl.DataFrame) -> list[bool]:
    """Whether each event (columns as for `rows`) is in a table of raw events that has them all. Raises Unavailable."""
    where = " AND ".join(f"{column} = ?" for column in table.key)
    with cassandra.outages():
        session = _session(settings)
        select = _prepared(session, f"SELECT event_id FROM {table.name} WHERE {where}")  # noqa: S608 - names only
        found = (session.execute(_bound(select, row[: len(table.key)])) for row in lines(table, events))
        return [rows.one() is not None for rows in found]


def _bound(statement: PreparedStatement, values: Row) -> BoundStatement:
    """A prepared statement with values that are encoded already."""
    bound = BoundStatement(statement)
    bound.values = list(values)
    return bound


def write_marked(
    settings: Settings, tables: tuple[RawTable, ...], events: pl.DataFrame, mark: str, marks: Sequence[tuple]
) -> None:
    """Writes each event to every table of raw events together with a row of its own by the insert `mark`: both or
    neither.

    Raises Unavailable.
    """
    with cassandra.outages():
        session = _session(settings)
        puts = [_prepared(session, table.put).query_id for table in tables]
        marking = _prepared(session, mark)
        batches = []
        for marked, *event in zip(marks, *(lines(table, events) for table in tables), strict=True):
            batch = BatchStatement(BatchType.LOGGED)
            batch.add(marking, marked)
            batch._statements_and_parameters += [
                (True, put, values(row)) for put, row in zip(puts, event, strict=True) if None not in row
            ]
            batches.append(batch)
        send(session, batches)


def forget_proven(settings: Settings, moments: Iterable[datetime]) -> None:
    """Makes the hours of these moments (UTC) to be proven anew. Raises Unavailable."""
    proven_hours.forget(_session(settings), moments)


def read_partition(settings: Settings, table: RawTable, minute: datetime, shard: int) -> tuple[list[bytes], list[int]]:
    """The payloads of one partition of a table that is sharded by minute, and their digests. Raises Unavailable."""
    with cassandra.outages():
        rows = _session(settings).execute(
            f"SELECT payload, payloads FROM {table.name} WHERE minute = %s AND shard = %s",  # noqa: S608 - a name
            (minute, shard),
        )
        found = [pair for row in rows for pair in received(row)]
    return [payload for _, payload in found], [digest for digest, _ in found]


def of_key(settings: Settings, table: RawTable, key: bytes) -> list[tuple[datetime, int, bytes]]:
    """What came under one partition key of a table that is not sharded: time (UTC, naive), digest and payload of
    each event. Raises Unavailable."""
    with cassandra.outages():
        cql = f"SELECT occurred_at, payload, payloads FROM {table.name} WHERE {table.clustering[0]} = ?"  # noqa: S608
        session = _session(settings)
        rows = session.execute(_bound(_prepared(session, cql), (key,)))
        return [(row.occurred_at, *pair) for row in rows for pair in received(row)]


def received(row: Any) -> Iterator[tuple[int, bytes]]:
    """As cassandra.received, with the digest in each case."""
    for digest, text in cassandra.received(row):
        value = text.encode()
        yield int(digests([value])[0]) if digest is None else int.from_bytes(digest), value


NOTED = ("digest", "reason", "kafka_partition", "kafka_offset")


def pass_over(settings: Settings, table: RawTable, events: pl.DataFrame) -> None:
    """Notes events (columns as for `lines`, outcome, partition, offset) that are in a table that is sharded by
    minute, and do not count. Raises Unavailable."""
    if events.is_empty():
        return
    columns = (*table.key, *NOTED)
    noted = zip(
        events["outcome"].cast(pl.Binary),
        (partition.to_bytes(4, signed=True) for partition in events["partition"]),
        (offset.to_bytes(8, signed=True) for offset in events["offset"]),
        strict=True,
    )
    rows = lines(table, events.with_columns(pl.lit(b"").alias("value")))
    with cassandra.outages():
        marks = ", ".join("?" * len(columns))
        session = _session(settings)
        note = _prepared(session, f"INSERT INTO passed_over ({', '.join(columns)}) VALUES ({marks})")  # noqa: S608
        send(session, [_bound(note, (*row[:-1], *more)) for row, more in zip(rows, noted, strict=True)])


def passed_over(settings: Settings, partitions: Iterable[tuple[datetime, int]]) -> pl.DataFrame:
    """What was decided about events of these partitions (minute, UTC; shard): event_id, digest, decided.

    Raises Unavailable.
    """
    with cassandra.outages():
        found = cassandra.passed_over(_session(settings), partitions)
        rows = [(row.event_id.bytes, int.from_bytes(row.digest), row.reason) for row in found]
    return pl.DataFrame(rows, schema=DECIDED, orient="row")
