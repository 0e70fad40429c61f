"""Fixtures that every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from local.runtime import chosen
from local.stack import Stack
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
    with throwaway_stack(runtime=chosen(load())) as running:
        yield running
