"""The query `aggregate`: Kafka -> validate -> drop duplicates -> the domain's tables -> MySQL, exactly once.

Spark's workers decode and validate, which is most of the work, and hand over columns. The driver finds what is new,
turns it into rows of all tables and merges them in one transaction: one Spark job a micro-batch, however many tables
there are.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import product

import polars as pl
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

import contracts
from contracts import Expectation
from settings import Settings
from spark_jobs import domains, rollup
from spark_jobs.checkpoint import Checkpoint, CheckpointRefused, Progress
from spark_jobs.dedup import PASSED_OVER, Dedup
from spark_jobs.lenient import fault, not_critical
from spark_jobs.merge import Table, combine
from spark_jobs.pipeline_tables import (
    arrivals,
    duplicates_by_minute,
    expectations_by_minute,
    lateness_by_minute,
    minute_of,
    reject_samples_by_minute,
    rejects_by_minute,
    with_backlog,
)
from spark_jobs.query_progress import full_name
from spark_jobs.seen import EVENT, ID_BYTES
from spark_jobs.sinks import cassandra as archive_sink
from spark_jobs.sinks.mysql import QUERY, SEEN_IDS, SEEN_KEYS, Batch, MySQLSink, now
from spark_jobs.slices import VALIDATED, read_slices, validate_slices
from spark_jobs.source import in_few_tasks, kept, records, trigger
from stores import cassandra
from stores.offsets import Offsets, records_between
from stores.retry import Unavailable, retry

log = logging.getLogger(__name__)

HISTORY = {
    "rejects_by_minute": "minute",
    "latency_by_minute": "minute",
    "lateness_by_minute": "minute",
    "duplicates_by_minute": "minute",
    "progress_by_minute": "minute",
    "reject_samples_by_minute": "minute",
    "batches": "committed_at",
}
"""The pipeline's own tables, and the time (UTC) by which retention deletes their rows."""

MINUTE = timedelta(minutes=1)
EXPIRY_EVERY = MINUTE
TOOK_ALL = 0.9
"""A micro-batch with fewer records than this share of the most it may have took all there was."""


def checkpoint(settings: Settings) -> Checkpoint:
    return Checkpoint(settings.checkpoints_dir / settings.domain / QUERY, settings.events_topic)


def domain_tables(domain: str) -> tuple[Table, ...]:
    """The tables made from a domain's events: its own, and how they meet what the contract only counts."""
    kept = [e.name for e in expectations(domain) if e.action == "keep"]
    return (*domains.tables(domain), *([expectations_by_minute(kept)] if kept else []))


def expectations(domain: str) -> tuple[Expectation, ...]:
    """What events are held against: the contract's expectations, and that no field must be left out."""
    contract = contracts.load(domain)
    fits = [
        Expectation(fault(name), f"{name} fits", "keep", f"{field.description}: fits, or is left out of the event")
        for name, field in not_critical(contract.fields)
    ]
    return (*contract.expectations, *fits)


def with_minute(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(minute_of("occurred_at"))


def rows_of(table: Table, frame: pl.DataFrame) -> tuple[Table, pl.DataFrame]:
    return table, combine(table, table.rows(frame))


def slower_clock(started_at: datetime, appended_at: pl.Series) -> datetime:
    """The time (UTC, naive) by our clock or the broker's, whichever is behind.

    One that is ahead for a while must not let ids go while duplicates of their events may still come.
    """
    return min(started_at, appended_at.max().replace(tzinfo=None))


class Aggregate:
    """The query's state in the driver: the store, the ids seen, and where both are."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.contract = contracts.load(settings.domain)
        self.tables = domain_tables(settings.domain)
        self.archive = domains.raw_tables(settings.domain)[0]
        self.checkpoint = checkpoint(settings)
        self.sink = MySQLSink(settings)
        self.rollup = rollup.Background(settings)
        self.dedup = Dedup(self.contract.business_key)
        self.progress = Progress("", -1, {})
        self.expired_at = now()
        self.caught_up_at: datetime | None = None
        """Since when (UTC, naive) there was no backlog; None while there is one."""

    def close(self) -> None:
        """Returns when nothing is moved any more."""
        self.rollup.close()
        self.sink.close()

    def open(self) -> None:
        """Finds out where the store is, or begins it. Raises CheckpointRefused."""
        stored = retry(self.sink.progress, "MySQL")
        self.checkpoint.check(QUERY, stored)
        has = kept(self.settings)
        if stored is None:
            self.progress = Progress(self.checkpoint.create(), -1, has.first)
            retry(lambda: self.sink.begin(self.progress.checkpoint_id, self.progress.offsets), "MySQL")
        else:
            has.check(QUERY, stored.offsets)
            self.progress = stored
            self.dedup = retry(lambda: self.sink.remembered(self.contract.business_key), "MySQL")
        self.dedup.decided = retry(
            lambda: archive_sink.passed_over(self.settings, self._partitions_held()), "Cassandra"
        )
        self.caught_up_at = None if records_between(self.progress.offsets, has.end) else now()
        retry(lambda: self.sink.note_expectations(expectations(self.settings.domain)), "MySQL")

    def renew(self, archived: Offsets) -> None:
        """Puts a new checkpoint in the place of one that is lost, damaged or foreign, if MySQL knows of one.

        It starts where MySQL says it is, as offsets, tables and ids are of one transaction; where Kafka no longer has
        that, with the first record that it has. Raises CheckpointRefused where it would leave out what is archived:
        everything before `archived`.
        """
        stored = retry(self.sink.progress, "MySQL")
        if stored is None:
            return
        has = kept(self.settings)
        try:
            self.checkpoint.check(QUERY, stored)
            has.check(QUERY, stored.offsets)
        except CheckpointRefused as refused:
            start = has.start(stored.offsets)
            if any(start.get(p) != stored.offsets.get(p, 0) < end for p, end in archived.items()):
                raise
            log.warning("%s: starting a new checkpoint", refused)
            retry(partial(self.sink.restart, self.checkpoint.create(), stored.batch_id, start), "MySQL")

    def _partitions_held(self) -> list[tuple[datetime, int]]:
        """The archive's partitions of which events may still come: what was decided about them may be needed."""
        latest = now().replace(second=0, microsecond=0) + self.contract.max_future
        earliest = min((*self.dedup.ids.minutes, latest - self.contract.max_late))
        minutes = [earliest + number * MINUTE for number in range((latest - earliest) // MINUTE + 1)]
        return list(product(minutes, range(cassandra.SHARDS)))

    def start(self, spark: SparkSession, once: bool = False) -> StreamingQuery:
        """Starts the query, after `open`; `once`: it ends when it has all there is."""
        return (
            records(spark, self.settings, self.progress.offsets)
            .drop("key")
            .writeStream.queryName(full_name(self.settings.domain, QUERY))
            .foreachBatch(self.merge)
            .option("checkpointLocation", self.checkpoint.spark_folder)
            .trigger(**trigger(self.settings.spark_aggregate_trigger_ms, once))
            .start()
        )

    def merge(self, frame: DataFrame, batch_id: int) -> None:
        """Merges one micro-batch; a replayed one that was merged before is skipped."""
        if batch_id <= self.progress.batch_id:
            log.warning("%s: batch %d was merged before, skipped", QUERY, batch_id)
            return
        started_at, end = now(), self.checkpoint.end_offsets(batch_id)
        frame = in_few_tasks(frame, records_between(self.progress.offsets, end))
        slices = frame.mapInArrow(partial(validate_slices, self.settings.domain), VALIDATED).toArrow()
        validated = read_slices(slices.column("validated").to_pylist()) if slices.num_rows else self._nothing()
        batch = self.digest(validated, batch_id, end, started_at)
        # Before the others count: should this die between the two, it is decided all the same.
        retry(lambda: archive_sink.pass_over(self.settings, self.archive, batch.passed_over), "Cassandra")
        if not self.sink.commit(self.progress.checkpoint_id, batch):
            log.warning("%s: batch %d had been committed already", QUERY, batch_id)
        self.progress = replace(self.progress, batch_id=batch_id, offsets=end)
        self.dedup.add(batch.seen[SEEN_IDS], batch.seen[SEEN_KEYS])
        took_all = batch.records < TOOK_ALL * self.settings.spark_max_offsets_per_trigger
        self.caught_up_at = (self.caught_up_at or now()) if took_all else None
        if validated.height and took_all:
            self.expire(slower_clock(started_at, validated["appended_at"]))

    def _nothing(self) -> pl.DataFrame:
        schema = domains.validator(self.settings.domain).schema
        source = {"partition": pl.Int32(), "offset": pl.Int64(), "digest": pl.UInt64(), "sample": pl.String()}
        return pl.DataFrame(schema=schema | source)

    def digest(self, validated: pl.DataFrame, batch_id: int, end: Offsets, started_at: datetime) -> Batch:
        """A micro-batch from validated records; `end` are the offsets after it."""
        # In Kafka's order: of two events with one id in one micro-batch, the one that came first counts.
        good = with_minute(validated.filter(pl.col("reject").is_null()).sort("partition", "offset"))
        good = self.dedup.outcomes(good)
        events, others = good.filter(pl.col("outcome") == EVENT), good.filter(pl.col("outcome") != EVENT)
        ids, keys = self.dedup.new(good)
        return Batch(
            batch_id=batch_id,
            end=end,
            records=validated.height,
            aggregated=events.height,
            rejected=validated.height - good.height,
            started_at=started_at,
            tables=[
                *(rows_of(table, events) for table in (*self.tables, lateness_by_minute)),
                rows_of(rejects_by_minute, validated),
                rows_of(duplicates_by_minute, others),
            ],
            arrived=with_backlog(rows_of(arrivals, events)[1], self.caught_up_at),
            samples=reject_samples_by_minute(validated, self.settings.events_topic),
            seen={SEEN_IDS: ids, SEEN_KEYS: keys},
            passed_over=others.filter(pl.col("outcome").is_in(PASSED_OVER)),
            newest_event=events["occurred_at"].dt.replace_time_zone(None).max(),
            ids_held=len(self.dedup) + sum(len(held) // ID_BYTES for _, held, _ in (*ids, *keys)),
        )

    def expire(self, caught_up_at: datetime) -> None:
        """Forgets ids that can't come again, and has old rows become hours or go, once a minute.

        Everything appended before `caught_up_at` (UTC, naive) is merged, so that what comes was appended later, and
        the validator rejects what occurred longer before that than the contract allows.
        """
        if caught_up_at - self.expired_at < EXPIRY_EVERY:
            return
        ids_before = caught_up_at - self.contract.remembered
        self.dedup.forget(ids_before)
        self.rollup.ask(rollup.ages(self.settings, caught_up_at))
        ages = {
            (table.name, table.expires_by): rollup.kept_from(self.settings, caught_up_at, table.keep_days)
            for table in self.tables
            if not table.hours
        }
        ages |= dict.fromkeys(HISTORY.items(), rollup.kept_from(self.settings, caught_up_at))
        ages |= dict.fromkeys(((SEEN_IDS, "minute"), (SEEN_KEYS, "minute")), ids_before)
        try:
            self.sink.expire(ages)
            self.expired_at = caught_up_at
        except Unavailable as outage:
            log.warning("%s: old rows stay for now: %s", QUERY, outage)
