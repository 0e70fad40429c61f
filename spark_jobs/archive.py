"""The query `archive`: Kafka -> validate -> every good event to Cassandra, every rejected record to the dead letter.

Workers validate and write. Both writes may happen twice after a crash, and neither matters: an event's row in Cassandra
is keyed by the event alone, and a dead letter carries the address of its record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import polars as pl
import pyarrow as pa
from cassandra.cluster import Session
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming import StreamingQuery

from settings import Settings
from spark_jobs import domains
from spark_jobs.checkpoint import Checkpoint, CheckpointRefused, Progress, told
from spark_jobs.query_progress import full_name
from spark_jobs.sinks import cassandra as cassandra_sink
from spark_jobs.slices import validated, worker_validator
from spark_jobs.source import in_few_tasks, kept, records, trigger
from stores import cassandra, dead_letter
from stores.offsets import from_json, records_between, to_json
from stores.retry import Unavailable, retry

log = logging.getLogger(__name__)

QUERY = "archive"
OUTCOME = "archived long, rejected long, outage string"


def checkpoint(settings: Settings) -> Checkpoint:
    return Checkpoint(settings.checkpoints_dir / settings.domain / QUERY, settings.events_topic)


def archive_slices(settings: Settings, generation: int, slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: writes each slice of the source, and tells how many events were written and records rejected.

    An outage is told as well, not raised: the driver then has the micro-batch done again, without Spark's failing.
    """
    archives = domains.raw_tables(settings.domain)
    keys = tuple(dict.fromkeys(["occurred_at", *(name for archive in archives for name in archive.clustering)]))
    validator = worker_validator(settings.domain, keys, kept=False)
    for slice_ in slices:
        verdict = validated(validator, slice_).hstack(
            pl.DataFrame(pl.from_arrow(slice_.select(["value", "key", "length"])))
        )
        good = verdict.filter(pl.col("reject").is_null())
        bad = verdict.filter(pl.col("reject").is_not_null())
        outage = None
        try:
            cassandra_sink.write(settings, archives, good)
            dead_letter.write(settings, rejects(settings.events_topic, generation, bad))
        except Unavailable as error:
            outage = str(error)
        yield pa.RecordBatch.from_pydict(
            {
                "archived": pa.array([good.height], pa.int64()),
                "rejected": pa.array([bad.height], pa.int64()),
                "outage": pa.array([outage], pa.string()),
            }
        )


def rejects(topic: str, generation: int, bad: pl.DataFrame) -> Iterator[dead_letter.Reject]:
    """Dead letters of rejected records (columns key, value, length, reject, reject_detail, partition, offset,
    appended_at)."""
    for row in bad.iter_rows(named=True):
        yield dead_letter.Reject(
            key=row["key"],
            value=row["value"],
            length=row["length"] or 0,
            reason=row["reject"],
            detail=row["reject_detail"],
            topic=topic,
            generation=generation,
            partition=row["partition"],
            offset=row["offset"],
            appended_at=row["appended_at"],
        )


class Archive:
    """The query's state in the driver: where Cassandra says that it is."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.checkpoint = checkpoint(settings)
        self.progress = Progress("", -1, {})
        self.totals = {"records": 0, "rejected": 0}
        self.generation = 0
        self.written_us = 0
        self.session: Session | None = None

    def connect(self) -> None:
        self.session = retry(lambda: cassandra.connect(self.settings, "spark", self.settings.domain), "Cassandra")

    def close(self) -> None:
        if self.session is not None:
            self.session.cluster.shutdown()
            self.session = None

    def open(self) -> None:
        """Finds out where the store is, or begins it. Raises CheckpointRefused."""
        self.connect()
        stored = retry(self.stored, "Cassandra")
        self.checkpoint.check(QUERY, stored)
        has = kept(self.settings)
        if stored is None:
            self.restart(Progress(self.checkpoint.create(), -1, has.first))
        else:
            has.check(QUERY, stored.offsets)
            self.progress = stored

    def renew(self) -> None:
        """Puts a new checkpoint in the place of one that is lost, damaged or foreign.

        It starts where Cassandra says it is, as archiving twice changes nothing; where Kafka no longer has that, with
        the first record that it has.
        """
        self.connect()
        stored, has = retry(self.stored, "Cassandra"), kept(self.settings)
        try:
            self.checkpoint.check(QUERY, stored)
            if stored is not None:
                has.check(QUERY, stored.offsets)
        except CheckpointRefused as refused:
            log.warning("%s: starting a new checkpoint", refused)
            reached = stored.offsets if stored else {}
            if gone := has.gone(reached):
                log.warning("%s: going on without %s", QUERY, told(gone))
            self.generation += has.begins_anew(reached)
            self.restart(Progress(self.checkpoint.create(), -1, has.start(reached)))

    def start(self, spark: SparkSession, once: bool = False) -> StreamingQuery:
        """Starts the query, after `open`; `once`: it ends when it has all there is."""
        return (
            records(spark, self.settings, self.progress.offsets)
            .writeStream.queryName(full_name(self.settings.domain, QUERY))
            .foreachBatch(self.write)
            .option("checkpointLocation", self.checkpoint.spark_folder)
            .trigger(**trigger(self.settings.spark_archive_trigger_ms, once))
            .start()
        )

    def restart(self, progress: Progress) -> None:
        """Notes a new checkpoint."""
        self.progress = progress
        retry(self._note, "Cassandra")

    def write(self, frame: DataFrame, batch_id: int) -> None:
        """Writes one micro-batch; a replayed one is written again, and counted once."""
        again, end = batch_id <= self.progress.batch_id, self.checkpoint.end_offsets(batch_id)
        number = records_between(self.progress.offsets, end)
        tasks = frame if again else in_few_tasks(frame, number)
        rejected = retry(lambda: self._run(tasks), f"{QUERY}: batch {batch_id}")
        if again:
            return
        self.totals["records"] += number
        self.totals["rejected"] += rejected
        self.progress = replace(self.progress, batch_id=batch_id, offsets=end)
        retry(self._note, "Cassandra")

    def _run(self, frame: DataFrame) -> int:
        """Has the workers write the micro-batch; returns the number of rejects. Raises Unavailable."""
        work = partial(archive_slices, self.settings, self.generation)
        outcomes = frame.mapInArrow(work, OUTCOME).toArrow().to_pylist()
        for outcome in outcomes:
            if outcome["outage"]:
                raise Unavailable(outcome["outage"])
        return sum(outcome["rejected"] for outcome in outcomes)

    def stored(self) -> Progress | None:
        """Where Cassandra is; None before the first start. Raises Unavailable."""
        with cassandra.outages():
            row = self.session.execute(
                "SELECT checkpoint_id, batch_id, offsets, records, rejected, generation, "
                "WRITETIME(batch_id) AS written_us FROM checkpoints WHERE query = %s",
                (QUERY,),
            ).one()
        if row is None:
            return None
        self.generation, self.written_us = row.generation or 0, row.written_us
        self.totals = {"records": row.records, "rejected": row.rejected}
        return Progress(row.checkpoint_id, row.batch_id, from_json(row.offsets))

    def _note(self) -> None:
        committed_at = datetime.now(UTC)
        # Cassandra keeps what has the later time: a clock that was put back must not make it keep the older note.
        self.written_us = max(int(committed_at.timestamp() * 1e6), self.written_us + 1)
        with cassandra.outages():
            self.session.execute(
                "INSERT INTO checkpoints (query, checkpoint_id, batch_id, offsets, records, rejected, generation, "
                "committed_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) USING TIMESTAMP %s",
                (
                    QUERY,
                    self.progress.checkpoint_id,
                    self.progress.batch_id,
                    to_json(self.progress.offsets),
                    self.totals["records"],
                    self.totals["rejected"],
                    self.generation,
                    committed_at,
                    self.written_us,
                ),
            )
