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

import polars as pl
from cassandra.cluster import NoHostAvailable, ResponseFuture, Session
from cassandra.connection import ConnectionBusy
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement, Statement

import settings as settings_module
from stores import cassandra
from stores.outage import Outage

ROWS_PER_BATCH = 300
BYTES_PER_BATCH = 256 * 1024
BATCHES_IN_FLIGHT = 8
BUSY_AT_MOST_S = 20.0
BUSY_PAUSE_S = 0.01

Row = tuple[bytes, ...]


@dataclass(frozen=True)
class Archive:
    """A Cassandra table of raw events.

    - clustering: the fields of the contract that lead an event's row; an event in which one is null is left out
    - sharded_by: the id that chooses the shard of a minute, for tables whose partition key is (minute, shard);
      None for tables whose partition key is the first of `clustering`
    """

    name: str
    clustering: tuple[str, ...]
    sharded_by: str | None = None

    @property
    def insert(self) -> str:
        columns = (*(("minute", "shard") if self.sharded_by else ()), *self.clustering, "payload")
        marks = ", ".join("?" * len(columns))
        return f"INSERT INTO {self.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - no data in it


def encoded(column: pl.Series) -> list[bytes]:
    """Values as Cassandra's protocol has them: times are milliseconds in 8 bytes, ids and text are their bytes.

    The driver's own way, through an object a value, takes five times as long.
    """
    if column.dtype.is_temporal():
        milliseconds = column.dt.epoch("ms").to_numpy().astype(">i8").tobytes()
        return [milliseconds[at : at + 8] for at in range(0, len(milliseconds), 8)]
    return column.to_list()


def lines(archive: Archive, events: pl.DataFrame) -> Iterator[Row]:
    """The row of each event, in order; where a field that leads it is null, so is what stands for it."""
    columns = [encoded(events[name]) for name in (*archive.clustering, "value")]
    if archive.sharded_by:
        shards = [bytes([cassandra.shard(key)]) for key in events[archive.sharded_by]]
        columns = [encoded(events["occurred_at"].dt.truncate("1m")), shards, *columns]
    return zip(*columns, strict=True)


def rows(archive: Archive, events: pl.DataFrame) -> dict[Row, list[Row]]:
    """Partition key -> rows of an archive table, encoded, from columns of the contract and `value`, the event's bytes
    as received."""
    partitions: dict[Row, list[Row]] = {}
    for row in lines(archive, events.drop_nulls(list(archive.clustering))):
        partitions.setdefault(row[: 2 if archive.sharded_by else 1], []).append(row)
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
        batch._statements_and_parameters.append((True, query_id, line))
        size += len(line[-1])
    yield batch


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


@cache
def _session() -> Session:
    settings = settings_module.load()
    return cassandra.connect(settings, "spark", settings.domain)


@cache
def _prepared(session: Session, archive: Archive) -> PreparedStatement:
    return session.prepare(archive.insert)


def write(archives: tuple[Archive, ...], events: pl.DataFrame) -> None:
    """Writes events (columns of the contract and `value`) to every archive table. Raises Outage."""
    try:
        with cassandra.outages():
            session = _session()
            for archive in archives:
                send(session, batches(_prepared(session, archive).query_id, rows(archive, events)))
    except Outage:
        if _session.cache_info().currsize:
            _session().cluster.shutdown()
        _session.cache_clear()
        _prepared.cache_clear()
        raise


def archived(archive: Archive, events: pl.DataFrame) -> list[bool]:
    """Whether each event (columns as for `rows`) is in an archive table that has them all. Raises Outage."""
    keys = (*(("minute", "shard") if archive.sharded_by else ()), *archive.clustering)
    with cassandra.outages():
        select = _session().prepare(
            f"SELECT event_id FROM {archive.name} WHERE {' AND '.join(f'{key} = ?' for key in keys)}"  # noqa: S608
        )
        found = (_session().execute(_bound(select, row[: len(keys)])) for row in lines(archive, events))
        return [rows.one() is not None for rows in found]


def _bound(statement: PreparedStatement, values: Row) -> BoundStatement:
    """A prepared statement with values that are encoded already."""
    bound = BoundStatement(statement)
    bound.values = list(values)
    return bound


def write_marked(archives: tuple[Archive, ...], events: pl.DataFrame, mark: str, marks: Sequence[tuple]) -> None:
    """Writes each event to every archive table together with a row of its own by the insert `mark`: both or neither.

    Raises Outage.
    """
    with cassandra.outages():
        session = _session()
        inserts = [_prepared(session, archive).query_id for archive in archives]
        marking = session.prepare(mark)
        batches = []
        for values, *event in zip(marks, *(lines(archive, events) for archive in archives), strict=True):
            batch = BatchStatement(BatchType.LOGGED)
            batch.add(marking, values)
            batch._statements_and_parameters += [
                (True, insert, row) for insert, row in zip(inserts, event, strict=True) if None not in row
            ]
            batches.append(batch)
        send(session, batches)


def read_partition(archive: Archive, minute: datetime, shard: int) -> list[bytes]:
    """The payloads of one partition of an archive that is sharded by minute. Raises Outage."""
    with cassandra.outages():
        rows = _session().execute(
            f"SELECT payload FROM {archive.name} WHERE minute = %s AND shard = %s",  # noqa: S608 - no data in it
            (minute, shard),
        )
        return [row.payload.encode() for row in rows]
