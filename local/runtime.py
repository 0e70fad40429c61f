"""What a runtime does for the commands of the front door: containers under Docker Compose, or plain processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from local import engine, preflight
from settings import Settings


@dataclass(frozen=True)
class ServiceStatus:
    """`state` is RUNNING for a service that works; `memory_bytes` counts pages that its processes share once."""

    name: str
    state: str
    memory_bytes: int
    address: str


class Runtime(Protocol):
    """A stack, however it runs. Every method may raise StepError, which says what to do."""

    settings: Settings

    @property
    def password_path(self) -> Path:
        """Where the password of Superset's admin is to be read."""

    def up(self, names: Iterable[str]) -> None:
        """Starts the services that don't run, makes the stores and dashboards, and returns when all of it works."""

    def down(self) -> None:
        """Stops everything; keeps the data."""

    def restart(self, *names: str) -> None:
        """Stops the services and starts them as the settings and files are now."""

    def remove(self) -> None:
        """Stops everything and removes the data."""

    def status(self) -> list[ServiceStatus]:
        """One row a service."""

    def follow_log(self, name: str) -> None:
        """Becomes a program that shows the service's log and what is added to it."""

    def audit(self, *arguments: str) -> int:
        """Runs `python -m audit` where it reaches the stores, and returns its exit code."""

    def rebuild(self, *arguments: str) -> int:
        """Recomputes MySQL from Cassandra; returns the exit code. Spark stays stopped when it fails."""


def chosen(settings: Settings) -> str:
    """`compose` or `native`: what RUNTIME says or, for `auto`, native processes where they run already or no Docker
    engine answers."""
    if settings.runtime != "auto":
        return settings.runtime
    return "native" if preflight.is_running(settings) or not engine.answers() else "compose"
