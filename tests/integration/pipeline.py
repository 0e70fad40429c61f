"""The pipeline as integration tests drive it: produce, wait, verify."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from audit.verify import Verdict, verify
from local.stack import Stack
from producer.load_curve import day_rate
from settings import ROOT, Settings, as_environment

CATCH_UP_S = 240.0
FAULTS = {"duplicates": 0.02, "late": 0.03, "malformed": 0.01}
"""Some of each kind of fault, as rates of the events."""


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **as_environment(settings)}


def shop(
    settings: Settings, seed: int, opened: datetime, minutes: int, events: int, **faults: float
) -> subprocess.Popen:
    """Starts a producer that sends a shop with so many events in so many minutes, as fast as it can.

    It is always evening in it: the same happens whenever a test runs, but for `opened`, when it began. `faults` are
    rates of duplicates, late and malformed.
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


def minutes_ago(minutes: float) -> datetime:
    """The whole minute that was so many minutes ago, UTC."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes)


def spark_jobs(settings: Settings, *words: str) -> subprocess.CompletedProcess:
    """Runs `python -m spark_jobs` to its end."""
    command = [sys.executable, "-m", "spark_jobs", *words]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def assert_exact(stack: Stack) -> Verdict:
    """Waits until the pipeline is through, and asserts that not one event or cent is off."""
    verdict = verify(stack.settings, CATCH_UP_S)
    assert verdict.differences == []
    assert verdict.exact
    return verdict


def assert_equals_recomputation(stack: Stack) -> None:
    """Asserts that every row in MySQL is what the same functions make of Cassandra's events. Stops Spark."""
    stack.stop("spark")
    done = spark_jobs(stack.settings, "rebuild", "--check")
    assert done.returncode == 0, done.stdout[-3000:]
