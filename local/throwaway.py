"""A stack for one run of the tests or a benchmark: free ports, a folder of its own, empty at first, gone afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from local.ports import free_ports
from local.services import SERVERS
from local.stack import Stack
from settings import ROOT, Settings

FOLDER = ROOT / ".local" / "throwaway"
PORTS = (
    "kafka_port",
    "kafka_controller_port",
    "cassandra_port",
    "cassandra_storage_port",
    "mysql_port",
    "superset_port",
)


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Whatever names the folder on its command line or in its environment, orphans too."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.cmdline(), *process.environ().values()]
            if any(str(folder) in word for word in words):
                found.append(process)
    return found


def _destroy(folder: Path) -> None:
    """Kills what runs from the folder, the supervisor first so that it starts nothing again, and removes it."""
    for process in sorted(_processes_of(folder), key=lambda process: process.create_time()):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(_processes_of(folder), timeout=10)
    shutil.rmtree(folder, ignore_errors=True)


def _destroy_abandoned() -> None:
    """Clears away the stacks of runs that were killed: their locks are free."""
    for lock in FOLDER.glob("*.lock"):
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _destroy(lock.with_suffix(""))
            lock.unlink()


@contextlib.contextmanager
def throwaway_stack(**overrides: object) -> Iterator[Stack]:
    """Kafka, Cassandra and MySQL, started and set up; the other services are the caller's to start.

    `overrides` are settings. Whatever runs at the end, in whatever state, is killed, and the folder removed.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    _destroy_abandoned()
    folder = Path(tempfile.mkdtemp(dir=FOLDER, prefix=""))
    lock = folder.with_name(f"{folder.name}.lock")
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        stack = Stack(dataclasses.replace(Settings(state_dir=str(folder)), **{**ports, **overrides}))
        try:
            stack.up(SERVERS)
            yield stack
        finally:
            _destroy(folder)
            lock.unlink()
