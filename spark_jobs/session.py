"""The Spark session of the job."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from settings import INSTALL, ROOT, Settings

JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    # The second compiler would take a third of a core for minutes, to speed up what little the JVM does here.
    "-XX:TieredStopAtLevel=1",
    # The heap begins with what the job needs, not with a share of the machine's memory, and follows what is in use.
    "-Xms128m",
    "-Xmn48m",
    "-XX:MinHeapFreeRatio=20",
    "-XX:MaxHeapFreeRatio=40",
    "-Duser.timezone=UTC",
)
MALLOC = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": str(128 * 1024)}
"""For glibc, in the environment of the JVM, executors and workers: what a large micro-batch took is given back. By
default a process keeps up to eight arenas a core, and a threshold that has grown with what was once freed."""


def threads(settings: Settings) -> int:
    """Of local mode. While one store is away, the tasks that wait for it are at most those of one query a domain; the
    others have as many threads as a topic has partitions. A thread more is a Python worker more, and memory."""
    return settings.kafka_partitions * (len(settings.domains) + 1)


def workers_kept(settings: Settings) -> int:
    """Idle Python workers that are not ended: as many as one domain's queries have tasks with a backlog, or as all
    queries have without one (see source.in_few_tasks)."""
    return 2 * max(settings.kafka_partitions, len(settings.domains))


def build(settings: Settings) -> SparkSession:
    """A session that runs all domains' queries side by side; times are UTC."""
    os.environ["PYSPARK_PYTHON"] = sys.executable  # workers of the same virtual environment
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ |= MALLOC
    jars = ",".join(str(jar) for jar in sorted((INSTALL / "jars" / "spark").glob("*.jar")))
    local = settings.spark_master == "local"
    here = local or "//127.0.0.1:" in settings.spark_master
    master = f"local[{threads(settings)}]" if local else settings.spark_master
    options = {
        "spark.jars": jars,
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.bindAddress": "127.0.0.1" if here else "0.0.0.0",  # noqa: S104 - executors must reach it
        "spark.driver.host": "127.0.0.1" if here else socket.gethostname(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.scheduler.mode": "FAIR",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * 1024 * 1024),
        # Workers that were started are kept, as many as are needed: they hold validators and the stores' connections.
        "spark.python.worker.reuse": "true",
        "spark.python.factory.idleWorkerMaxPoolSize": str(workers_kept(settings)),
        "spark.python.daemon.module": "spark_jobs.daemon",
        "spark.sql.streaming.minBatchesToRetain": "10",
        "spark.driver.extraJavaOptions": " ".join(JVM_OPTIONS),
        "spark.sql.adaptive.enabled": "false",  # one narrow stage: nothing to adapt
        "spark.sql.streaming.metricsEnabled": "false",
        # By default every file of a checkpoint is written by way of 11 child processes (readlink, chmod).
        "spark.sql.streaming.checkpointFileManagerClass": (
            "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
        ),
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "spark.local.dir": str(settings.path("spark")),
        "spark.sql.warehouse.dir": str(settings.path("spark", "warehouse")),
        **{f"spark.executorEnv.{name}": value for name, value in MALLOC.items()},
    }
    builder = SparkSession.builder.appName(f"tillstream-{'-'.join(settings.domains)}").master(master)
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    return spark


@contextmanager
def running(settings: Settings) -> Iterator[SparkSession]:
    """A session that is stopped at the end; see `build`."""
    spark = build(settings)
    try:
        yield spark
    finally:
        spark.stop()
