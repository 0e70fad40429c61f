"""Runs the two queries of every domain until they are told to stop."""

from __future__ import annotations

import fcntl
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from py4j.protocol import Py4JError
from pyspark.errors import StreamingQueryException
from pyspark.sql.streaming import StreamingQuery

from contracts import ContractError
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
from spark_jobs.query_progress import full_name

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
Queries = tuple[Archive, Aggregate]
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
    """Holds a domain's checkpoints for this process; raises CheckpointRefused where another one has them."""
    path = settings.checkpoints_dir / settings.domain / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointRefused(f"another process works on {path.parent}: stop it first ('make down')") from None
        yield


def run(settings: Settings) -> None:
    """Runs both queries of each domain until SIGTERM or SIGINT.

    A domain whose contract or checkpoint is refused leaves the others running, and a query that is refused (a
    contract's `fail`) stops alone; when nothing is left to run, Refused is raised. Every other error of a query is
    raised: the job is then started again and goes on where the stores are.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    refused: list[str] = []
    opened: dict[Settings, Queries] = {}
    with ExitStack() as locks:
        for of_domain in settings.each():
            heartbeat(of_domain).parent.mkdir(parents=True, exist_ok=True)
            heartbeat(of_domain).unlink(missing_ok=True)
            try:
                locks.enter_context(only_one(of_domain))
                opened[of_domain] = opened_queries(of_domain)
            except (CheckpointRefused, ContractError) as error:
                log.error("%s does not run: %s", of_domain.domain, error)
                refused.append(str(error))
        if not opened:
            raise Refused("; ".join(refused))
        _run(settings, opened, stopping)


def opened_queries(settings: Settings) -> Queries:
    """A domain's queries, ready to be started: what is refused is so before Spark takes its seconds to start.

    Raises CheckpointRefused and ContractError.
    """
    queries = (Archive(settings), Aggregate(settings))
    for query in queries:
        query.open()
    return queries


def _run(settings: Settings, opened: Mapping[Settings, Queries], stopping: threading.Event) -> None:
    spark = session.build(settings)
    reached = {
        of_domain: {ARCHIVE: archive.progress.offsets, AGGREGATE: aggregate.first}
        for of_domain, (archive, aggregate) in opened.items()
    }
    with recording(reached) as listener:
        spark.streams.addListener(listener)
        running = {
            of_domain: {ARCHIVE: archive.start(spark), AGGREGATE: aggregate.start(spark)}
            for of_domain, (archive, aggregate) in opened.items()
        }
        log.info("archive and aggregate run over %s", ", ".join(of_domain.events_topic for of_domain in running))
        watch(running, stopping)
        try:
            for query in (query for queries in running.values() for query in queries.values()):
                query.stop()
            spark.stop()
        except (Py4JError, OSError):
            log.info("the JVM was told to stop as well, and has ended already")


def watch(running: Mapping[Settings, Mapping[str, StreamingQuery]], stopping: threading.Event) -> None:
    """Returns when told to stop; touches the heartbeat of each domain whose queries all run. See `run` for what it
    raises."""
    by_name = {
        full_name(one.domain, name): query for one, queries in running.items() for name, query in queries.items()
    }
    refused: dict[str, str] = {}
    while not stopping.wait(LOOK_EVERY_S):
        for of_domain, queries in running.items():
            if all(query.isActive for query in queries.values()):
                heartbeat(of_domain).touch()
        for name, query in by_name.items():
            if query.isActive or name in refused:
                continue
            error = query.exception()
            message = refusal(error) if error else None
            if message is None:
                raise error or RuntimeError(f"the query {name} ended by itself")
            log.error("%s is stopped: %s", name, message)
            refused[name] = message
        if len(refused) == len(by_name):
            raise Refused("; ".join(sorted(set(refused.values()))))
