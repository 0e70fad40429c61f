"""How much processor time and memory each component has taken."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psutil

from local.native.stack import Stack

SERVICES = ("kafka", "cassandra", "mysql", "spark")


def _component(service: str, process: psutil.Process) -> str:
    """The component that a process of a service belongs to: Spark's JVM apart from its Python."""
    if service != "spark":
        return service
    return "spark JVM" if process.name() == "java" else "spark Python"


def seconds(stack: Stack, services: Sequence[str] = SERVICES) -> dict[str, float]:
    """Component -> seconds of processor time so far, of its processes and of their children that have ended."""
    found: dict[str, float] = {}
    for service in services:
        for process in stack.processes(service):
            with suppress(psutil.NoSuchProcess):  # ended meanwhile: its parent's time has it from now on
                name, times = _component(service, process), process.cpu_times()
                spent = times.user + times.system + times.children_user + times.children_system
                found[name] = found.get(name, 0.0) + spent
    return found


def memory_bytes(stack: Stack) -> int:
    """Resident memory of the services that are measured, pages that processes share counted once."""
    return sum(row.memory_bytes for row in stack.status() if row.name in SERVICES)
