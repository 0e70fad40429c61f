"""The whole stack in containers, a project of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from local.compose import engine
from local.compose.stack import ComposeStack
from local.ports import free_ports
from settings import Settings


@contextmanager
def started(state: Path, **overrides: object) -> Iterator[ComposeStack]:
    """Started from nothing; gone afterwards with its volumes. `overrides` are settings."""
    if not engine.answers():
        pytest.skip("no Docker engine answers")
    [port] = free_ports(1)
    settings = Settings(state_dir=str(state), superset_port=port, producer_rate=100.0, producer_backfill_minutes=2)
    stack = ComposeStack(replace(settings, **overrides))
    try:
        stack.up()
        yield stack
    finally:
        stack.remove()


@pytest.fixture(scope="package")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    with started(tmp_path_factory.mktemp("state")) as stack:
        yield stack
