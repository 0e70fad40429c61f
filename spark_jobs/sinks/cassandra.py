"""Cassandra: archives events as they were received. Runs in Spark's workers; writing twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import polars as pl
from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent
from cassandra.query import BatchStatement, BatchType, PreparedStatement

import settings as settings_module
from stores import cassandra
from stores.outage import Outage

SHARDS = 16
ROWS_PER_BATCH = 100
BYTES_PER_BATCH = 128 * 1024
BATCHES_IN_FLIGHT = 32


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


def shard(key: bytes) -> int:
    """The shard of a minute, 0 to 15, in which the events with this id of 16 bytes lie."""
    return key[0] % SHARDS


def _value(value: Any) -> Any:
    return UUID(bytes=value) if isinstance(value, bytes) else value


def rows(archive: Archive, events: pl.DataFrame) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Partition key -> rows of an archive table, from columns of the contract and `payload` (string)."""
    wanted = events.drop_nulls(list(archive.clustering)).select(
        pl.col("occurred_at").dt.truncate("1m").alias("minute"), *archive.clustering, "payload"
    )
    place = 1 + archive.clustering.index(archive.sharded_by) if archive.sharded_by else 1
    partitions: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in wanted.iter_rows():
        key = (row[0], shard(row[place])) if archive.sharded_by else (row[1],)
        values = tuple(_value(value) for value in row[1:])
        partitions.setdefault(key, []).append((*key, *values) if archive.sharded_by else values)
    return partitions


def batches(statement: PreparedStatement, partitions: dict[tuple[Any, ...], list[tuple[Any, ...]]]) -> Iterator[Any]:
    """Statements that write the rows, each within one partition and of bounded size."""
    for lines in partitions.values():
        batch, size = BatchStatement(BatchType.UNLOGGED), 0
        for line in lines:
            if len(batch) == ROWS_PER_BATCH or (size and size + len(line[-1]) > BYTES_PER_BATCH):
                yield batch
                batch, size = BatchStatement(BatchType.UNLOGGED), 0
            batch.add(statement, line)
            size += len(line[-1])
        yield batch


@cache
def _session() -> Session:
    settings = settings_module.load()
    return cassandra.connect(settings, "spark", settings.domain)


@cache
def _prepared(session: Session, archive: Archive) -> PreparedStatement:
    return session.prepare(archive.insert)


def write(archives: tuple[Archive, ...], events: pl.DataFrame) -> None:
    """Writes events (columns of the contract and `payload`) to every archive table. Raises Outage."""
    try:
        with cassandra.outages():
            session = _session()
            statements = [
                (batch, ())
                for archive in archives
                for batch in batches(_prepared(session, archive), rows(archive, events))
            ]
            execute_concurrent(session, statements, concurrency=BATCHES_IN_FLIGHT, raise_on_first_error=True)
    except Outage:
        if _session.cache_info().currsize:
            _session().cluster.shutdown()
        _session.cache_clear()
        _prepared.cache_clear()
        raise


def read_partition(archive: Archive, minute: datetime, shard: int) -> list[bytes]:
    """The payloads of one partition of an archive that is sharded by minute. Raises Outage."""
    with cassandra.outages():
        rows = _session().execute(
            f"SELECT payload FROM {archive.name} WHERE minute = %s AND shard = %s",  # noqa: S608 - no data in it
            (minute, shard),
        )
        return [row.payload.encode() for row in rows]
