"""The Kafka source: a topic as a stream, from where it is to be read."""

from __future__ import annotations

import json
from math import ceil
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention

from settings import Settings
from spark_jobs.checkpoint import Kept
from spark_jobs.validation import MAX_RECORD_BYTES
from stores.kafka import bounds
from stores.offsets import Offsets
from stores.retry import retry

RECORDS_OF_A_TASK = 2_000
"""A task alone takes as long as validating some hundred records, and a Python worker's memory."""


def records(spark: SparkSession, settings: Settings, start: Offsets) -> DataFrame:
    """The topic as a stream: value and key (binary), length of the value (int, bytes), partition (int), offset (long),
    timestamp (the broker's, UTC).

    Values and keys are cut at the length that the validator accepts, before they reach a worker: a few kilobytes on the
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


def tasks(records: int) -> int:
    """How many tasks a micro-batch has work for, at least one."""
    return max(1, ceil(records / RECORDS_OF_A_TASK))


def in_few_tasks(frame: DataFrame, records: int) -> DataFrame:
    """A micro-batch of so many records, in no more tasks than it has work for, and than it has partitions."""
    return frame.coalesce(tasks(records))


def starting_offsets(topic: str, offsets: Offsets) -> str:
    """Offsets as the option startingOffsets takes them."""
    return json.dumps({topic: {str(partition): offset for partition, offset in offsets.items()}})


def kept(settings: Settings) -> Kept:
    """What Kafka has of the domain's events; waits through outages."""
    return retry(lambda: Kept(*bounds(settings)), "Kafka")


def trigger(interval_ms: int, once: bool) -> dict[str, Any]:
    """A trigger as DataStreamWriter.trigger takes it: every so often, or `once`, until all there is was done."""
    return {"availableNow": True} if once else {"processingTime": f"{interval_ms} milliseconds"}
