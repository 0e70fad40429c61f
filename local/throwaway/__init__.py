"""A stack for one run of the tests or a benchmark: free ports, a folder of its own, empty at first, gone afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.native.install import locked
from local.native.stack import Stack
from local.ports import free_ports
from local.runtime import SERVERS
from local.throwaway.servers_in_containers import StackOnContainers
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


def _stack(settings: Settings, runtime: str) -> Stack:
    return StackOnContainers(settings) if runtime == "compose" else Stack(settings)


def _locks() -> contextlib.AbstractContextManager[None]:
    """Held by whoever makes, judges or removes a stack's lock, so that none is taken for abandoned as it is made."""
    return locked(FOLDER / "lock", "start of a throwaway stack")


def _destroy_abandoned() -> None:
    """Clears away the stacks of runs that were killed: their locks are free."""
    for lock in FOLDER.glob("*.lock"):
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _stack(Settings(state_dir=str(lock.with_suffix(""))), lock.read_text()).destroy()
            lock.unlink()


@contextlib.contextmanager
def _claimed(runtime: str) -> Iterator[Path]:
    """A new folder, the caller's until the end; a run that is killed leaves it for the next one to clear away."""
    with contextlib.ExitStack() as held:
        with _locks():
            _destroy_abandoned()
            folder = Path(tempfile.mkdtemp(dir=FOLDER, prefix=""))
            lock = folder.with_name(f"{folder.name}.lock")
            handle = held.enter_context(lock.open("w"))
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.write(runtime)
            handle.flush()
        try:
            yield folder
        finally:
            with _locks():
                lock.unlink()


@contextlib.contextmanager
def throwaway_stack(
    services: Iterable[str] = SERVERS, *, runtime: str = "native", **overrides: object
) -> Iterator[Stack]:
    """A new stack with `services` started and set up; the others are the caller's to start.

    With the runtime `compose` the servers are containers. `overrides` are settings. Whatever runs at the end, in
    whatever state, is killed, and the folder removed.
    """
    with _claimed(runtime) as folder:
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        stack = _stack(dataclasses.replace(Settings(state_dir=str(folder)), **{**ports, **overrides}), runtime)
        try:
            stack.up(services)
            yield stack
        finally:
            stack.destroy()
