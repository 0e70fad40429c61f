"""The Kafka source, and how a worker judges a slice of it."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import polars as pl
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from settings import Settings
from spark_jobs import domains, seen
from spark_jobs.checkpoint import Kept
from spark_jobs.judge import MAX_RECORD_BYTES, ContractViolation, Judge
from spark_jobs.pipeline_tables import with_samples
from stores.kafka import bounds
from stores.offsets import Offsets
from stores.outage import patiently


def records(spark: SparkSession, settings: Settings, start: Offsets) -> DataFrame:
    """The topic as a stream: value and key (binary), length of the value (int, bytes), partition (int), offset (long),
    timestamp (the broker's, UTC).

    Values and keys are cut at the length that the judge accepts, before they reach a worker: a few kilobytes on the
    wire can be many megabytes that were compressed. `start` counts where the checkpoint is new. Records that Kafka
    deleted before they were read stop the query.
    """
    stream = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.kafka)
        .option("subscribe", settings.events_topic)
        .option("startingOffsets", starting_offsets(settings.events_topic, start))
        .option("maxOffsetsPerTrigger", settings.spark_max_offsets_per_trigger)
        .option("failOnDataLoss", "true")
        .option("kafka.isolation.level", "read_committed")
        .load()
    )
    return stream.select(
        F.substring("value", 1, MAX_RECORD_BYTES).alias("value"),
        F.length("value").alias("length"),
        F.substring("key", 1, MAX_RECORD_BYTES).alias("key"),
        "partition",
        "offset",
        "timestamp",
    )


def starting_offsets(topic: str, offsets: Offsets) -> str:
    """Offsets as the option startingOffsets takes them."""
    return json.dumps({topic: {str(partition): offset for partition, offset in offsets.items()}})


@cache
def worker_judge(domain: str, columns: tuple[str, ...] | None = None, kept: bool = True) -> Judge:
    """The judge of a domain, made once a worker process."""
    judge = domains.judge(domain, columns, kept)
    gc.freeze()  # What is loaded by now stays; walking through it took a seventh of the time spent on events.
    return judge


def judged(judge: Judge, records: pa.RecordBatch) -> pl.DataFrame:
    """Judge.judge's columns, partition, offset and digest for a slice of the source. Raises ContractViolation."""
    frame = pl.DataFrame(pl.from_arrow(records.select(["partition", "offset", "timestamp"])))
    values = records.column("value").to_pylist()
    try:
        verdict = judge.judge(values, frame["timestamp"], records.column("length").to_pylist())
    except ContractViolation as violation:
        partition, offset = frame.select("partition", "offset").row(violation.row)
        raise ContractViolation(violation.row, f"partition {partition}, offset {offset}: {violation}") from None
    return verdict.with_columns(frame["partition"], frame["offset"], digests(values, verdict["reject"]))


def digests(values: Iterable[bytes | None], rejects: pl.Series) -> pl.Series:
    """The digest of each good record, null for a rejected one."""
    of_all = pl.Series(seen.digests(value or b"" for value in values))
    return pl.select(pl.when(rejects.is_null()).then(of_all).alias("digest")).to_series()


def judge_slices(domain: str, slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: each slice of the source judged, as one row with one value, an Arrow file.

    Rows would be converted twice on their way through the JVM; one value is handed over as it is.
    """
    judge = worker_judge(domain)
    for records in slices:
        verdict = with_samples(judged(judge, records), pl.Series(pl.from_arrow(records.column("value"))))
        sink = verdict.write_ipc(None, compression="lz4")
        yield pa.RecordBatch.from_pydict({"judged": pa.array([sink.getvalue()], pa.binary())})


JUDGED = "judged binary"


def kept(settings: Settings) -> Kept:
    """What Kafka has of the domain's events; waits through outages."""
    return patiently(lambda: Kept(*bounds(settings)), "Kafka")


def trigger(interval_ms: int, once: bool) -> dict[str, Any]:
    """A trigger as DataStreamWriter.trigger takes it: every so often, or `once`, until all there is was done."""
    return {"availableNow": True} if once else {"processingTime": f"{interval_ms} milliseconds"}
