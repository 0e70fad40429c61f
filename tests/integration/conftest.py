"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.stack import Stack


@pytest.fixture(scope="module")
def pipeline(stack: Stack) -> Iterator[Stack]:
    """The session's stack with Spark running."""
    stack.start("spark")
    yield stack
    stack.stop("spark")
