"""The pipeline as integration tests drive it: produce, wait, verify."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import psutil

from audit.verify import Verdict, verify
from local.native.stack import Stack
from producer.domains.ecommerce.load_curve import day_rate
from producer.ledger import Ledger
from producer.publish import Publisher
from producer.records import Record
from settings import ROOT, Settings, as_environment
from spark_jobs import aggregate
from stores import mysql
from tests.waiting import wait_for

CATCH_UP_S = 240.0
FAULTS = {"duplicates": 0.02, "conflicts": 0.005, "reloads": 0.1, "late": 0.03, "malformed": 0.01}
"""Some of each kind of fault, as rates of the events."""
KILLED = ("driver", "jvm")
"""What of Spark is killed, one after the other: the driver in Python alone, or its JVM alone."""


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **as_environment(settings)}


def shop(
    settings: Settings, seed: int, opened: datetime, minutes: int, events: int, **faults: float
) -> subprocess.Popen:
    """Starts a producer that sends a shop with so many events in so many minutes, as fast as it can.

    It is always evening in it: the same happens whenever a test runs, but for `opened`, when it began. `faults` are
    rates of `FAULTS`.
    """
    evening = opened.replace(hour=18, minute=0)
    options = {
        "seed": seed,
        "start": opened.isoformat(),
        "daytime": f"{evening:%H:%M}",
        "events": events,
        "rate": day_rate(events / minutes / 60, evening, minutes),
    }
    words = [f"--{name}={value}" for name, value in (options | dict.fromkeys(FAULTS, 0) | faults).items()]
    command = [sys.executable, "-m", "producer", "--unpaced", *words]
    return subprocess.Popen(command, cwd=ROOT, env=environment(settings))


def publish(settings: Settings, *records: Record) -> None:
    """Sends records as a producer does, entered into the ledger."""
    with Ledger(settings.ledger_path) as ledger, Publisher(settings, ledger) as publisher:
        publisher.publish(list(records))


def minutes_ago(minutes: float) -> datetime:
    """The whole minute that was so many minutes ago, UTC."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes)


def run(settings: Settings, *words: str, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """Runs `python <words>` in a checkout to its end."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def query(settings: Settings, statement: str) -> list[tuple]:
    """What MySQL answers the user who may only read."""
    with mysql.connected(settings, "reader", settings.domain) as connection:
        return mysql.query(connection, statement)


def output(settings: Settings, *words: str, folder: Path = ROOT, code: int = 0) -> str:
    """What `python <words>` says, which must end with this code."""
    done = run(settings, *words, folder=folder)
    assert done.returncode == code, done.stdout[-3000:]
    return done.stdout


@contextmanager
def spark_running(
    settings: Settings, folder: Path = ROOT, log: IO | int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen]:
    """The job of a checkout; it and its children are killed at the end."""
    job = subprocess.Popen(
        [sys.executable, "-m", "spark_jobs"], cwd=folder, env=environment(settings),
        stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        yield job
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()


def spark_jobs(settings: Settings, *words: str) -> subprocess.CompletedProcess:
    """Runs `python -m spark_jobs` to its end."""
    return run(settings, "-m", "spark_jobs", *words)


def killed_in_batch(stack: Stack, what: str) -> bool:
    """SIGKILL to one of KILLED while a micro-batch is under way; False when it was through a moment before.

    Returns when Spark, started again, is through with what it was killed in: until then that looks under way.
    """
    checkpoint = aggregate.checkpoint(stack.settings)

    def under_way() -> bool:
        return checkpoint.planned_batch() > checkpoint.committed_batch()

    wait_for("a micro-batch is under way", under_way, look_every_s=0.02)
    driver, *children = stack.processes("spark")
    victims = [driver] if what == "driver" else [child for child in children if child.name() == "java"]
    assert victims
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    psutil.wait_procs(victims, timeout=10)
    planned, in_batch = checkpoint.planned_batch(), under_way()
    wait_for("Spark is through with what it was killed in", lambda: checkpoint.committed_batch() >= planned)
    return in_batch


def assert_exact(stack: Stack, within_s: float = CATCH_UP_S) -> Verdict:
    """Waits until the pipeline is through, and asserts that not one event or cent is off."""
    verdict = verify(stack.settings, within_s)
    assert verdict.differences == [], "\n".join(verdict.differences)
    assert verdict.exact
    return verdict


def assert_equals_recomputation(stack: Stack) -> None:
    """Asserts that every row in MySQL is what the same functions make of Cassandra's events. Stops Spark."""
    stack.stop("spark")
    done = spark_jobs(stack.settings, "rebuild", "--check")
    assert done.returncode == 0, done.stdout[-3000:]
