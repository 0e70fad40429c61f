"""Runs the two queries until they are told to stop."""

from __future__ import annotations

import fcntl
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import StreamingQueryException
from pyspark.sql.streaming import StreamingQuery

from settings import Settings
from spark_jobs import session
from spark_jobs.aggregate import QUERY as AGGREGATE
from spark_jobs.aggregate import Aggregate
from spark_jobs.archive import QUERY as ARCHIVE
from spark_jobs.archive import Archive
from spark_jobs.checkpoint import CheckpointRefused
from spark_jobs.heartbeat import heartbeat
from spark_jobs.judge import ContractViolation
from spark_jobs.listener import recording

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
REFUSALS = (CheckpointRefused.__name__, ContractViolation.__name__)


class Refused(RuntimeError):  # noqa: N818 - it says what happened
    """No query can run until somebody mended what the message names: a restart would only refuse again."""


def refusal(error: StreamingQueryException) -> str | None:
    """The message of a refusal that Spark wrapped into its own error; None for every other error."""
    for line in str(error).splitlines():
        for name in REFUSALS:
            _, found, message = line.partition(f"{name}: ")
            if found:
                return message.strip()
    return None


@contextmanager
def only_one(settings: Settings) -> Iterator[None]:
    """Holds the checkpoints for this process; raises CheckpointRefused where another one has them."""
    path = settings.checkpoints_dir / settings.domain / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointRefused(f"another process works on {path.parent}: stop it first ('make down')") from None
        yield


def run(settings: Settings) -> None:
    """Runs both queries until SIGTERM or SIGINT.

    A query that is refused (a contract's `fail`) stops alone; when both are, Refused is raised. Every other error of a
    query is raised: the job is then started again and goes on where the stores are. Raises CheckpointRefused.
    """
    with only_one(settings):
        _run(settings)


def _run(settings: Settings) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    alive = heartbeat(settings)
    alive.parent.mkdir(parents=True, exist_ok=True)
    alive.unlink(missing_ok=True)
    archive, aggregate = queries = (Archive(settings), Aggregate(settings))
    for query in queries:
        query.open()  # refuses before Spark takes its seconds to start
    spark = session.build(settings)
    with recording(settings, {ARCHIVE: archive.progress.offsets, AGGREGATE: aggregate.first}) as listener:
        spark.streams.addListener(listener)
        running = {query.__class__.__name__: query.start(spark) for query in queries}
        log.info("archive and aggregate run over %s", settings.events_topic)
        watch(running, stopping, alive)
        try:
            for query in running.values():
                query.stop()
            spark.stop()
        except (Py4JError, OSError):
            log.info("the JVM was told to stop as well, and has ended already")


def watch(running: Mapping[str, StreamingQuery], stopping: threading.Event, alive: Path) -> None:
    """Returns when told to stop; touches `alive` while every query runs. See `run` for what it raises."""
    refused: dict[str, str] = {}
    while not stopping.wait(LOOK_EVERY_S):
        if all(query.isActive for query in running.values()):
            alive.touch()
        for name, query in running.items():
            if query.isActive or name in refused:
                continue
            error = query.exception()
            message = refusal(error) if error else None
            if message is None:
                raise error or RuntimeError(f"the query {name} ended by itself")
            log.error("%s is stopped: %s", name, message)
            refused[name] = message
        if len(refused) == len(running):
            raise Refused("; ".join(sorted(set(refused.values()))))
