"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.choice import preferred
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from settings import load


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Stack:
    """The session's stack with Spark running, which is left running for the next file that asks for it."""
    stack.start("spark")
    return stack


@pytest.fixture(scope="module")
def servers(stack: Stack) -> Stack:
    """The session's stack with its servers alone."""
    stack.stop("spark")
    return stack


@pytest.fixture(scope="module")
def native(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The session's servers where they are processes, else some of its own."""
    if preferred(load()) == "native":
        yield request.getfixturevalue("servers")
    else:
        with throwaway_stack() as running:
            yield running
