"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.runtime import chosen
from local.stack import Stack
from local.throwaway import throwaway_stack
from settings import load


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Stack]:
    """The session's stack with Spark running."""
    stack.start("spark")
    yield stack
    stack.stop("spark")


@pytest.fixture(scope="module")
def native(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The session's stack where its servers are processes, else one of its own."""
    if chosen(load()) == "native":
        yield request.getfixturevalue("stack")
    else:
        with throwaway_stack() as running:
            yield running
