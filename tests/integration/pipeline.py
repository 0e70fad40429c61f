"""The pipeline as integration tests drive it: produce, wait, verify."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from audit.verify import Verdict, verify
from local.stack import Stack
from settings import ROOT, Settings, as_environment

CATCH_UP_S = 240.0


def environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **as_environment(settings)}


def producer(settings: Settings, **options: object) -> subprocess.Popen:
    """Starts a producer with these options; True stands for an option without a value."""
    words = []
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return subprocess.Popen([sys.executable, "-m", "producer", *words], cwd=ROOT, env=environment(settings))


def minutes_ago(minutes: float) -> str:
    """A simulated start in the past, as the producer takes it."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat(timespec="seconds").replace("+00:00", "Z")


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
