"""Runs the two queries of every domain until they are told to stop."""

from __future__ import annotations

import fcntl
import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf

from py4j.protocol import Py4JError
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession
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
from spark_jobs.listener import recording
from spark_jobs.query_progress import full_name
from spark_jobs.validation import ContractViolation
from stores.offsets import Offsets

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
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


@dataclass
class Domain:
    """A domain's two queries.

    - running: by name, once they are started
    - refused: name -> why it does not run until somebody mends what the message names
    - archive, aggregate: what the queries are made of, once opened
    - again_at: when they are begun anew (monotonic, seconds), after one failed
    """

    settings: Settings
    running: dict[str, StreamingQuery] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    archive: Archive | None = None
    aggregate: Aggregate | None = None
    again_at: float | None = None
    began_at: float = inf
    pause_s: float = FIRST_PAUSE_S

    @property
    def is_refused(self) -> bool:
        return self.refused.keys() >= {ARCHIVE, AGGREGATE}

    def open(self) -> None:
        """Makes the queries ready to be started: what is refused is so before Spark takes its seconds to start."""
        self.refused = {}
        try:
            self.archive, self.aggregate = Archive(self.settings), Aggregate(self.settings)
            self.archive.open()
            self.aggregate.open()
        except (CheckpointRefused, ContractError) as error:
            log.error("%s does not run: %s", self.settings.domain, error)
            self.refused = dict.fromkeys((ARCHIVE, AGGREGATE), str(error))

    @property
    def reached(self) -> dict[str, Offsets]:
        """Where each query starts that can be started."""
        if self.is_refused or self.again_at is not None:
            return {}
        return {ARCHIVE: self.archive.progress.offsets, AGGREGATE: self.aggregate.progress.offsets}

    def start(self, spark: SparkSession) -> None:
        """Starts the queries, after `open`."""
        if self.reached:
            self.running = {ARCHIVE: self.archive.start(spark), AGGREGATE: self.aggregate.start(spark)}
            self.began_at = time.monotonic()

    def stop(self) -> None:
        for query in self.running.values():
            query.stop()

    def look(self) -> None:
        """Touches the heartbeat while all run. Raises the error of a query that has failed in a way that a new start
        may help."""
        if self.running and all(query.isActive for query in self.running.values()):
            heartbeat(self.settings).touch()
        for name, query in self.running.items():
            if query.isActive or name in self.refused:
                continue
            error = query.exception()
            message = refusal(error) if error else None
            if message is None:
                raise error or RuntimeError(f"the query {name} ended by itself")
            log.error("%s is stopped: %s", full_name(self.settings.domain, name), message)
            self.refused[name] = message

    def fail(self, error: Exception) -> None:
        """Stops what still runs; it is begun anew after a pause, a longer one each time until it has worked a while."""
        if time.monotonic() - self.began_at > LONGEST_PAUSE_S:
            self.pause_s = FIRST_PAUSE_S
        log.error("%s has failed, and is begun anew in %.0f s: %s", self.settings.domain, self.pause_s, error)
        self.stop()
        for opened in (self.archive, self.aggregate):
            if opened:
                opened.close()
        self.running, self.archive, self.aggregate = {}, None, None
        self.again_at = time.monotonic() + self.pause_s
        self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)

    def begin_anew(self, spark: SparkSession) -> None:
        """Once it is time."""
        if self.again_at is not None and time.monotonic() >= self.again_at:
            self.again_at = None
            self.open()
            self.start(spark)


@contextmanager
def a_fault_of(domain: Domain, alone: bool) -> Iterator[None]:
    """Keeps an error from the other domains; one that is alone ends the job by it."""
    try:
        yield
    except Exception as error:
        if alone:
            raise
        domain.fail(error)


def run(settings: Settings) -> None:
    """Runs both queries of each domain until SIGTERM or SIGINT.

    A domain whose contract or checkpoint is refused leaves the others running, and a query that is refused (a
    contract's `fail`) stops alone; when nothing is left to run, Refused is raised. By any other error of a query its
    domain is begun anew, where the stores are. Where it is the only one the error is raised: the whole job is then
    started again. Raises CheckpointRefused.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    domains = [Domain(of_domain) for of_domain in settings.each()]
    with ExitStack() as locks:
        for domain in domains:
            locks.enter_context(only_one(domain.settings))
            heartbeat(domain.settings).parent.mkdir(parents=True, exist_ok=True)
            heartbeat(domain.settings).unlink(missing_ok=True)
        for domain in domains:
            with a_fault_of(domain, alone=len(domains) == 1):
                domain.open()
        raise_where_nothing_runs(domains)
        _run(settings, domains, stopping)


def _run(settings: Settings, domains: Sequence[Domain], stopping: threading.Event) -> None:
    spark = session.build(settings)
    with recording({domain.settings: domain.reached for domain in domains}) as listener:
        spark.streams.addListener(listener)
        for domain in domains:
            domain.start(spark)
        log.info("archive and aggregate run over %s", ", ".join(d.settings.events_topic for d in domains if d.running))
        watch(domains, stopping, spark)
        try:
            for domain in domains:
                domain.stop()
            spark.stop()
        except (Py4JError, OSError):
            log.info("the JVM was told to stop as well, and has ended already")


def watch(domains: Sequence[Domain], stopping: threading.Event, spark: SparkSession) -> None:
    """Returns when told to stop. See `run` for what it raises."""
    while not stopping.wait(LOOK_EVERY_S):
        for domain in domains:
            with a_fault_of(domain, alone=len(domains) == 1):
                domain.begin_anew(spark)
                domain.look()
        raise_where_nothing_runs(domains)


def raise_where_nothing_runs(domains: Sequence[Domain]) -> None:
    if all(domain.is_refused for domain in domains):
        raise Refused("; ".join(sorted({why for domain in domains for why in domain.refused.values()})))
