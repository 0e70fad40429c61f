"""Fixtures that every room's tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Iterator

import hypothesis
import pytest

from local.choice import preferred
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from settings import load

# How long an example takes says nothing on a busy machine; the same examples everywhere, so that no run fails by luck.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Real Kafka, Cassandra and MySQL with the stores set up, for this session alone; starts from nothing.

    They are containers where a Docker engine answers, and processes elsewhere; RUNTIME decides by hand. Spark, the
    producer and Superset are processes, the test's to start: `stack.start("spark")`, `.stop`, `.kill`.
    """
    with throwaway_stack(runtime=preferred(load())) as running:
        yield running


LOG_LINES = 40


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test's report has the end of each service's log, of every stack that the test used."""
    report = yield
    if report.failed:
        for stack in {id(value): value for value in item.funcargs.values() if isinstance(value, Stack)}.values():
            for path in sorted(stack.supervisor.logs_dir.glob("*.log")):
                tail = subprocess.run(["tail", "-n", str(LOG_LINES), path], capture_output=True, text=True, check=True)
                report.sections.append((f"the end of {path.name}", tail.stdout))
    return report
