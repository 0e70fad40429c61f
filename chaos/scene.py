"""Where faults take place: a running stack, and what a fault needs to know and to do there."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from cassandra.cluster import Session
from mysql.connector.abstracts import MySQLConnectionAbstract

from local.native.services import MADE_BY
from local.native.stack import Stack
from settings import Settings
from stores import cassandra, mysql, progress
from stores.offsets import Offsets
from stores.retry import Unavailable

REFUSES_WITHIN_S = 60.0


class NotStruck(RuntimeError):  # noqa: N818 - it says what happened
    """The fault could not be brought about; the message says why."""


class Watch:
    """Looks how far the queries are. Its connections are kept: to make new ones for each look would slow down what is
    looked at."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._open = ExitStack()
        self._stores: tuple[MySQLConnectionAbstract, Session] | None = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._stores = None
        self._open.close()

    def behind(self, ends: Offsets) -> str | None:
        """What keeps the queries from having passed these offsets; None when both have."""
        try:
            connection, session = self._stores = self._stores or self._connect()
            reached = {"the aggregates": progress.aggregated(connection), "the archive": progress.archived(session)}
        except Unavailable as outage:
            self.__exit__()
            return str(outage)
        lags = [f"{query}: {at.lag(ends)} records behind" for query, at in reached.items() if not at.passed(ends)]
        return ", ".join(lags) or None

    def _connect(self) -> tuple[MySQLConnectionAbstract, Session]:
        domain = self.settings.domain
        return (
            self._open.enter_context(mysql.connected(self.settings, "reader", domain)),
            self._open.enter_context(cassandra.connected(self.settings, "reader", domain)),
        )


@dataclass(frozen=True)
class Scene:
    """A native stack with all its services running, and the seeded moments of what happens to it."""

    stack: Stack
    moments: random.Random
    services: tuple[str, ...]

    @property
    def settings(self) -> Settings:
        return self.stack.settings

    def hold(self, shortest_s: float, longest_s: float) -> None:
        """Lets the fault last for a random time."""
        time.sleep(self.moments.uniform(shortest_s, longest_s))

    def wait_for(self, what: str, is_so: Callable[[], object], within_s: float = 60.0, every_s: float = 0.05) -> None:
        """Looks until something is so; raises NotStruck when it takes too long."""
        deadline = time.monotonic() + within_s
        while not is_so():
            if time.monotonic() > deadline:
                raise NotStruck(f"{what}: not within {within_s:.0f} s")
            time.sleep(every_s)

    def _send(self, service: str, number: int) -> None:
        for process in self.stack.processes(service):
            process.send_signal(number)

    @contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """The service's processes stand still: they hold their connections and answer nothing."""
        self._send(service, signal.SIGSTOP)
        try:
            yield
        finally:
            self._send(service, signal.SIGCONT)

    @contextmanager
    def files_limited(self, process: psutil.Process, most_bytes: int) -> Iterator[None]:
        """No file of the process may grow beyond `most_bytes`: what a full disk does to it, and to it alone."""
        before = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (most_bytes, before[1]))
        try:
            yield
        finally:
            if process.is_running():
                process.rlimit(psutil.RLIMIT_FSIZE, before)

    def jvm(self, service: str) -> psutil.Process:
        return next(process for process in self.stack.processes(service) if process.name() == "java")

    def restart_with(self, service: str, environment: dict[str, str]) -> None:
        """Starts a service anew with more in its environment; `stack.start` makes it as it was. Does not wait."""
        as_usual = MADE_BY[service](self.settings)
        self.stack.stop(service)
        self.stack.supervisor.apply(replace(as_usual, environment={**as_usual.environment, **environment}))
        if self.stack.state(service) not in ("STARTING", "RUNNING"):
            self.stack.supervisor.call("startProcess", service, False)

    def refuse_and_rebuild(self) -> None:
        """Starts Spark, which must refuse to run, and does what an operator does then: `make rebuild`.

        Raises NotStruck when it does not refuse, or can't be rebuilt.
        """

        def refused() -> bool:
            info = self.stack.supervisor.states()["spark"]
            return info["statename"] == "EXITED" and info["exitstatus"] == os.EX_CONFIG

        self.stack.start("spark", wait=False)
        self.wait_for("Spark refuses to run", refused, REFUSES_WITHIN_S)
        if self.stack.rebuild() != 0:
            raise NotStruck("make rebuild failed")

    def log_size(self, service: str) -> int:
        path = self.stack.log_path(service)
        return path.stat().st_size if path.exists() else 0

    def log_since(self, service: str, size: int) -> str:
        """What a service has written to its log since it was `size` bytes long."""
        path = self.stack.log_path(service)
        older = Path(f"{path}.1")  # where it was rotated meanwhile
        before = older.read_bytes() if older.exists() and self.log_size(service) < size else b""
        return (before + path.read_bytes())[size:].decode(errors="replace")

    def has_logged(self, service: str, size: int, pattern: str) -> bool:
        return re.search(pattern, self.log_since(service, size)) is not None
