"""MySQL: merges a micro-batch into the aggregate tables, in one transaction with the note that it did."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import polars as pl
from mysql.connector.abstracts import MySQLConnectionAbstract

from contracts import BusinessKey, Expectation
from settings import Settings
from spark_jobs.checkpoint import CheckpointRefused, Progress
from spark_jobs.dedup import Dedup, Held
from spark_jobs.merge import Table, as_json, combine, upsert
from spark_jobs.pipeline_tables import latencies, latency_by_minute
from spark_jobs.seen import SeenIds
from spark_jobs.sinks import hours
from stores import mysql
from stores.offsets import Offsets, from_json, to_json
from stores.retry import Unavailable, retry

log = logging.getLogger(__name__)

QUERY = "aggregate"
ROWS_PER_STATEMENT = 5000
ROWS_PER_DELETE = 20_000
LONGEST_EXPIRY_S = 2.0
SEEN_IDS, SEEN_KEYS = "seen_ids", "seen_business_keys"


@dataclass(frozen=True)
class Batch:
    """A micro-batch ready to be merged.

    - end: the next offset of each partition after it
    - records, aggregated, rejected: how many records it had, how many events count, how many records were rejected
    - started_at: when Spark handed it over (UTC, naive)
    - tables: combined rows of each table
    - arrived: rows of pipeline_tables.arrivals
    - samples: rows of reject_samples_by_minute
    - seen: by name of the table in which they are kept, the ids and business keys that are held from now on
    - passed_over: the events that are archived and do not count: minute, event_id, digest, outcome, partition, offset
    - ids_held: how many ids are held once these are
    - newest_event: when the newest of the events that count occurred (UTC, naive); None without any
    """

    batch_id: int
    end: Offsets
    records: int
    aggregated: int
    rejected: int
    started_at: datetime
    tables: Sequence[tuple[Table, pl.DataFrame]]
    arrived: pl.DataFrame
    samples: pl.DataFrame
    seen: Mapping[str, Sequence[Held]]
    passed_over: pl.DataFrame
    ids_held: int
    newest_event: datetime | None

    @property
    def duplicates(self) -> int:
        return self.records - self.aggregated - self.rejected


def now() -> datetime:
    """The time in UTC, naive, as MySQL's DATETIME takes it."""
    return datetime.now(UTC).replace(tzinfo=None)


def merge_rows(cursor: Any, table: Table, rows: pl.DataFrame, into: str | None = None) -> None:
    """Merges combined rows into a table by its rules."""
    # In the order of the primary key: neighbouring rows share pages, and two writers lock in the same order.
    statement = upsert(table, rows.schema, into)
    for chunk in rows.select(table.columns).sort(table.key).iter_slices(ROWS_PER_STATEMENT):
        cursor.execute(statement, (as_json(chunk),))


def replace_rows(cursor: Any, table: str, rows: pl.DataFrame) -> None:
    """Puts rows into a table, in the place of those with the same primary key."""
    marks = f"({', '.join(['%s'] * rows.width)})"
    if rows.height:
        cursor.execute(
            f"REPLACE INTO {table} ({', '.join(rows.columns)}) VALUES {', '.join([marks] * rows.height)}",  # noqa: S608
            [value for row in rows.rows() for value in row],
        )


def delete_older(connection: MySQLConnectionAbstract, table: str, column: str, time: datetime) -> Iterator[None]:
    """Deletes the rows of a table that are older, some at each step: in bounded transactions the undo log stays small.

    Raises Unavailable.
    """
    deleted = ROWS_PER_DELETE
    while deleted == ROWS_PER_DELETE:
        with mysql.transaction(connection) as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE {column} < %s LIMIT {ROWS_PER_DELETE}",  # noqa: S608 - names only
                (time,),
            )
            deleted = cursor.rowcount
        yield


def hold(cursor: Any, batch_id: int, seen: Mapping[str, Sequence[Held]]) -> None:
    """Keeps ids and business keys, by the name of their table."""
    for table, held in seen.items():
        for minute, ids, digests in held:
            cursor.execute(
                f"INSERT INTO {table} (minute, batch_id, ids, digests) VALUES (%s, %s, %s, %s)",  # noqa: S608
                (minute, batch_id, ids, digests),
            )


@dataclass
class MySQLSink:
    """The one writer of a domain's aggregates. Reconnects by itself after an outage."""

    settings: Settings
    _connection: MySQLConnectionAbstract | None = field(default=None, init=False)

    def connection(self) -> MySQLConnectionAbstract:
        if self._connection is None or not self._connection.is_connected():
            self._connection = mysql.connect(self.settings, "spark", self.settings.domain)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def progress(self) -> Progress | None:
        """Where the store is; None before the first start. Raises Unavailable."""
        rows = mysql.query(
            self.connection(), "SELECT checkpoint_id, batch_id, offsets FROM checkpoints WHERE query = %s", (QUERY,)
        )
        return Progress(rows[0][0], rows[0][1], from_json(rows[0][2])) if rows else None

    def begin(self, checkpoint_id: str, offsets: Offsets) -> None:
        """Notes a new checkpoint that starts at `offsets`. Raises Unavailable."""
        with mysql.transaction(self.connection()) as cursor:
            cursor.execute(
                "INSERT INTO checkpoints (query, checkpoint_id, batch_id, offsets, records, aggregated, rejected, "
                "duplicates, committed_at) VALUES (%s, %s, -1, %s, 0, 0, 0, 0, %s)",
                (QUERY, checkpoint_id, to_json(offsets), now()),
            )

    def restart(self, checkpoint_id: str, last_batch: int, offsets: Offsets) -> None:
        """Notes a new checkpoint that goes on at `offsets` after `last_batch`, and counts micro-batches from 0 again.

        Raises Unavailable.
        """
        with mysql.transaction(self.connection()) as cursor:
            for table in (SEEN_IDS, SEEN_KEYS):
                # The numbers of the micro-batches to come must be free; moved in order, none takes another's place.
                statement = f"UPDATE {table} SET batch_id = batch_id - %s ORDER BY batch_id"  # noqa: S608 - a name
                cursor.execute(statement, (last_batch + 1,))
            cursor.execute(
                "UPDATE checkpoints SET checkpoint_id = %s, batch_id = -1, offsets = %s WHERE query = %s",
                (checkpoint_id, to_json(offsets), QUERY),
            )

    def note_expectations(self, expectations: Sequence[Expectation]) -> None:
        """Writes the contract's expectations in the place of those that it had before. Raises Unavailable."""
        with mysql.transaction(self.connection()) as cursor:
            cursor.execute("DELETE FROM expectations")
            rows = [{"expectation": e.name, "action": e.action, "description": e.description} for e in expectations]
            replace_rows(cursor, "expectations", pl.DataFrame(rows))

    def remembered(self, key: BusinessKey | None) -> Dedup:
        """What was counted lately. Raises Unavailable."""
        dedup = Dedup(key)
        dedup.ids, dedup.keys = self.seen(SEEN_IDS), self.seen(SEEN_KEYS)
        return dedup

    def seen(self, table: str) -> SeenIds:
        """The ids counted lately (SEEN_IDS), or the business keys (SEEN_KEYS). Raises Unavailable."""
        seen = SeenIds()
        with mysql.outages():
            cursor = self.connection().cursor()
            cursor.execute(f"SELECT minute, ids, digests FROM {table} ORDER BY minute, batch_id")  # noqa: S608 - a name
            together: dict[datetime, list[tuple[bytes, bytes]]] = {}
            for minute, ids, digests in cursor:
                together.setdefault(minute, []).append((bytes(ids), bytes(digests) or b"\0" * (len(ids) // 2)))
            cursor.close()
            self.connection().rollback()
        for minute, parts in together.items():
            seen.add(minute, *map(b"".join, zip(*parts, strict=True)))
        return seen

    def commit(self, checkpoint_id: str, batch: Batch) -> bool:
        """Merges a micro-batch and notes that it did, in one transaction; False where it was merged before.

        Tries again through outages: should a commit's answer get lost, the note tells whether it happened.
        """
        return retry(lambda: self._commit(checkpoint_id, batch), f"batch {batch.batch_id}")

    def _commit(self, checkpoint_id: str, batch: Batch) -> bool:
        try:
            with mysql.transaction(self.connection()) as cursor:
                cursor.execute("SELECT checkpoint_id, batch_id FROM checkpoints WHERE query = %s FOR UPDATE", (QUERY,))
                stored_id, stored_batch = cursor.fetchone() or (None, None)
                if stored_id != checkpoint_id:
                    raise CheckpointRefused(f"{QUERY}: MySQL now belongs to the checkpoint {stored_id}")
                if batch.batch_id <= stored_batch:
                    return False
                if batch.batch_id != stored_batch + 1:
                    raise CheckpointRefused(f"{QUERY}: batch {batch.batch_id} follows {stored_batch} in MySQL")
                with hours.kept_right(cursor, batch.tables):
                    for table, rows in batch.tables:
                        merge_rows(cursor, table, rows)
                hold(cursor, batch.batch_id, batch.seen)
                committed_at = now()
                rows = latencies(batch.arrived, committed_at)
                merge_rows(cursor, latency_by_minute, combine(latency_by_minute, rows))
                replace_rows(cursor, "reject_samples_by_minute", batch.samples)
                counts = (batch.records, batch.aggregated, batch.rejected, batch.duplicates)
                duration_ms = (committed_at - batch.started_at) // timedelta(milliseconds=1)
                cursor.execute(
                    "INSERT INTO batches (checkpoint_id, batch_id, committed_at, duration_ms, records, aggregated, "
                    "rejected, duplicates, ids_held, newest_event) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (
                        checkpoint_id,
                        batch.batch_id,
                        committed_at,
                        duration_ms,
                        *counts,
                        batch.ids_held,
                        batch.newest_event,
                    ),
                )
                cursor.execute(
                    "UPDATE checkpoints SET batch_id = %s, offsets = %s, records = records + %s, "
                    "aggregated = aggregated + %s, rejected = rejected + %s, duplicates = duplicates + %s, "
                    "committed_at = %s WHERE query = %s",
                    (batch.batch_id, to_json(batch.end), *counts, committed_at, QUERY),
                )
                return True
        except Unavailable:
            self.close()
            raise

    def expire(self, before: Mapping[tuple[str, str], datetime]) -> None:
        """Deletes the rows of tables that are older: (table, column) -> time. Raises Unavailable.

        Stops after some seconds, for the next micro-batch waits; what is left is for the next time.
        """
        until_s = monotonic() + LONGEST_EXPIRY_S
        for (table, column), time in before.items():
            for _ in delete_older(self.connection(), table, column, time):
                if monotonic() > until_s:
                    break
