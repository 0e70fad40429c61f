"""Has the queries take all that Kafka holds, and end: for commands that need the stores to stand at one place.

The job must be stopped.
"""

from __future__ import annotations

import logging

from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

from settings import Settings
from spark_jobs.aggregate import Aggregate
from spark_jobs.archive import Archive
from spark_jobs.job import Refused, refusal
from stores.offsets import Offsets
from stores.retry import retry

log = logging.getLogger(__name__)


def complete_archive(settings: Settings, spark: SparkSession) -> Archive:
    """Archives everything that is in Kafka now; returns the query, which says up to where Cassandra holds all, and no
    more, and how many records that were.

    Raises CheckpointRefused, and as `run_through`.
    """
    log.info("archiving what Kafka still has")
    query = Archive(settings)
    query.open()
    run_through(query, spark)
    return query


def complete_aggregates(settings: Settings, spark: SparkSession) -> Offsets:
    """Aggregates everything that is in Kafka now; returns the offsets up to which MySQL holds all, and no more.

    Raises CheckpointRefused, and as `run_through`.
    """
    query = Aggregate(settings)
    query.open()
    run_through(query, spark)
    query.rollup.close()
    stored = retry(query.sink.progress, "MySQL")
    return stored.offsets if stored else {}


def run_through(query: Archive | Aggregate, spark: SparkSession) -> None:
    """Runs an open query until it has all there is. Raises Refused, and StreamingQueryException for all else."""
    try:
        query.start(spark, once=True).awaitTermination()
    except StreamingQueryException as error:
        if message := refusal(error):
            raise Refused(message) from error
        raise
