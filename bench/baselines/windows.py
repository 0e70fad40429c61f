"""The Spark job that people write first: a stateful query with windows for each table, in update mode, and one for the
raw events; rows go to the stores through foreachPartition."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from functools import partial
from tempfile import TemporaryDirectory
from uuid import UUID

from cassandra.concurrent import execute_concurrent_with_args
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F  # noqa: N812 - Spark's own convention
from pyspark.sql.streaming import StreamingQuery

import settings as settings_module
from bench.baselines.measured import Clock, Measured, main
from bench.baselines.stores import DIMENSIONS, INSERT, NAME, REPLACE
from spark_jobs import session as spark_session
from spark_jobs.source import records
from stores import cassandra, mysql
from stores.offsets import Offsets

SCHEMA = (
    "event_id string, occurred_at timestamp, event_name string, session_id string, country string, device string, "
    "utm_source string, reporting_value long"
)
LOOK_EVERY_S = 0.1
CONCURRENCY = 100


def upsert(dimension: str, rows: Iterable[Row]) -> None:
    """A partition's rows into MySQL."""
    values = [(row.minute.replace(tzinfo=None), row[dimension], row.events, row.revenue_cents) for row in rows]
    if not values:
        return
    with mysql.connected(settings_module.load(), "root", NAME) as connection, connection.cursor() as cursor:
        cursor.executemany(REPLACE[dimension], values)
        connection.commit()


def insert(rows: Iterable[Row]) -> None:
    """A partition's rows into Cassandra."""
    with cassandra.connected(settings_module.load(), "admin", NAME) as session:
        values = (
            (
                UUID(row.event_id),
                row.occurred_at,
                row.event_name,
                UUID(row.session_id),
                row.country,
                row.device,
                row.payload,
            )
            for row in rows
        )
        execute_concurrent_with_args(session, session.prepare(INSERT), values, concurrency=CONCURRENCY)


def passed(query: StreamingQuery) -> int:
    """The records that a query is through with."""
    progress = query.lastProgress
    if not progress or not progress["sources"] or not progress["sources"][0]["endOffset"]:
        return 0
    [offsets] = json.loads(progress["sources"][0]["endOffset"]).values()
    return sum(offsets.values())


def drain(ends: Offsets) -> Measured:
    settings = settings_module.load()
    spark = spark_session.build(settings)
    spark.conf.set("spark.sql.shuffle.partitions", str(settings.kafka_partitions))  # its 200 would be unfair
    events = (
        records(spark, settings, dict.fromkeys(ends, 0))
        .select(F.col("value").cast("string").alias("payload"))
        .select("payload", F.from_json("payload", SCHEMA).alias("event"))
        .select("payload", "event.*", F.coalesce("event.utm_source", F.lit("(direct)")).alias("source"))
    )

    def summed(dimension: str) -> DataFrame:
        cents = F.when(F.col("event_name") == "purchase", F.col("reporting_value")).otherwise(0)
        return (
            events.withWatermark("occurred_at", "2 hours")
            .groupBy(F.window("occurred_at", "1 minute"), dimension)
            .agg(F.count("*").alias("events"), F.sum(cents).alias("revenue_cents"))
            .select(F.col("window.start").alias("minute"), dimension, "events", "revenue_cents")
        )

    with TemporaryDirectory() as folder:

        def start(name: str, frame: DataFrame, write: object, mode: str) -> StreamingQuery:
            return (
                frame.writeStream.outputMode(mode)
                .foreachBatch(lambda batch, _: batch.foreachPartition(write))
                .option("checkpointLocation", f"{folder}/{name}")
                .trigger(availableNow=True)
                .start()
            )

        queries = [start("events", events, insert, "append")]
        queries += [start(name, summed(name), partial(upsert, name), "update") for name in DIMENSIONS]
        clock = Clock(sum(ends.values()))
        while any(query.isActive for query in queries):
            clock.at(min(map(passed, queries)))
            time.sleep(LOOK_EVERY_S)
        for query in queries:
            query.awaitTermination()  # raises what it ended with
        measured = clock.stopped()
        spark.stop()
    return measured


if __name__ == "__main__":
    main(drain)
