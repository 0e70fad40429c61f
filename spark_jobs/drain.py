"""Has the queries take all that Kafka holds, and end: for commands that need the stores to stand at one place.

The job must be stopped.
"""

from __future__ import annotations

import logging
import shutil

from pyspark.sql import SparkSession

from settings import Settings
from spark_jobs.aggregate import Aggregate
from spark_jobs.archive import Archive
from spark_jobs.checkpoint import CheckpointRefused, Offsets, Progress
from stores.outage import patiently

log = logging.getLogger(__name__)


def complete_archive(settings: Settings, spark: SparkSession) -> Offsets:
    """Archives everything that is in Kafka now; returns the offsets up to which Cassandra holds all, and no more.

    Archiving twice changes nothing, so a checkpoint that is lost or foreign is replaced by a new one that starts where
    Cassandra says it is; where Kafka no longer has that, with the first record that it has.
    """
    query = Archive(settings)
    query.connect()
    stored = patiently(query.stored, "Cassandra")
    try:
        query.check(stored)
    except CheckpointRefused as refused:
        log.warning("%s: starting a new checkpoint", refused)
        shutil.rmtree(query.checkpoint.folder, ignore_errors=True)
        if stored is not None:
            start = {
                partition: max(first, stored.offsets.get(partition, 0)) for partition, first in query.first().items()
            }
            query.restart(Progress(query.checkpoint.create(), -1, start))
    log.info("archiving what Kafka still has")
    query.open()
    query.start(spark, once=True).awaitTermination()
    return query.progress.offsets


def complete_aggregates(settings: Settings, spark: SparkSession) -> Offsets:
    """Aggregates everything that is in Kafka now; returns the offsets up to which MySQL holds all, and no more.

    Raises CheckpointRefused.
    """
    query = Aggregate(settings)
    query.open()
    query.start(spark, once=True).awaitTermination()
    stored = patiently(query.sink.progress, "MySQL")
    return stored.offsets if stored else {}
