"""What bounds them all on this machine: Kafka -> Spark's Python workers -> nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyspark.sql import DataFrame

import settings as settings_module
from bench.baselines.measured import Clock, Measured, main
from spark_jobs import session as spark_session
from spark_jobs.source import records
from stores.offsets import Offsets

LOOK_EVERY_S = 0.05


def counted(slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: how many records each slice has."""
    for slice_ in slices:
        yield pa.RecordBatch.from_pydict({"records": pa.array([slice_.num_rows], pa.int64())})


def drain(ends: Offsets) -> Measured:
    settings = settings_module.load()
    spark = spark_session.build(settings)
    total, done = sum(ends.values()), 0
    clock = Clock(total)

    def count(frame: DataFrame, _: int) -> None:
        nonlocal done
        done += sum(row["records"] for row in frame.mapInArrow(counted, "records long").toArrow().to_pylist())
        clock.at(done)

    with TemporaryDirectory() as folder:
        query = (
            records(spark, settings, dict.fromkeys(ends, 0))
            .select("value")
            .writeStream.foreachBatch(count)
            .option("checkpointLocation", folder)
            .trigger(availableNow=True)
            .start()
        )
        while query.isActive and done < total:
            time.sleep(LOOK_EVERY_S)
        measured = clock.stopped()
        query.awaitTermination()
        spark.stop()
    return measured


if __name__ == "__main__":
    main(drain)
