"""Fixtures that every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from local.stack import Stack
from local.throwaway import throwaway_stack

# How long an example takes says nothing on a busy machine; the same examples everywhere, so that no run fails by luck.
hypothesis.settings.register_profile("tests", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Real Kafka, Cassandra and MySQL with the stores set up, for this session alone; starts from nothing.

    Spark, the producer and Superset are the test's to start: `stack.start("spark")`, `.stop`, `.kill`.
    """
    with throwaway_stack() as running:
        yield running
