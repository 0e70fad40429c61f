"""The services of a stack, and what a runtime does with them: containers under Docker Compose, or plain processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from settings import Settings

SERVERS = ("kafka", "cassandra", "mysql")

SERVICES = (*SERVERS, "spark", "producer", "superset", "alerts")
"""In the order in which they are shown; what each needs comes before it."""

NO_PRODUCER = "the producer is not running: run 'make up'"


def switched_on(settings: Settings) -> tuple[str, ...]:
    """The services that these settings ask for: `alerts` only with an address to send them to."""
    return tuple(name for name in SERVICES if name != "alerts" or settings.alert_webhook_url)


def beside_spark(arguments: Iterable[str]) -> bool:
    """Whether these arguments of `rebuild` ask for a range, which is recomputed while Spark goes on."""
    return any(word.startswith("--since") for word in arguments)


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

    def up(self, names: Iterable[str] | None = None) -> None:
        """Starts the services that don't run, makes the stores and dashboards, and returns when all of it works.

        Without names: all that are switched on.
        """

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

    def report(self, file: IO[bytes], *arguments: str) -> int:
        """Has `python -m reports`, where it reaches MySQL, write to the file, and returns its exit code."""

    def incident(self, *arguments: str) -> int:
        """Runs `python -m producer.incident` where the running producer finds it, and returns its exit code."""

    def rebuild(self, *arguments: str) -> int:
        """Recomputes MySQL from Cassandra, a range of it beside Spark; returns the exit code.

        Spark stays stopped when it fails.
        """

    def replay(self) -> int:
        """Validates dead letters anew, while Spark is stopped; returns the exit code."""

    def pack(self, part: str, file: Path) -> None:
        """Copies a part of the data (see local/backup.py) into a tar file of mode 0600. The stack must be stopped."""

    def unpack(self, part: str, file: Path) -> None:
        """Puts a part of the data in the place of what is there. The stack must be stopped."""

    def kafka_id(self) -> str | None:
        """The id that Kafka's data got when it was made; None where there is none."""


def cluster_id(properties: str) -> str | None:
    """Kafka's id, from the text of its meta.properties."""
    return next((line.partition("=")[2] for line in properties.splitlines() if line.startswith("cluster.id=")), None)
