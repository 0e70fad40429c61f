"""Rooms that are called like a package of PyPI must never be taken for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from settings import ROOT


@pytest.mark.parametrize("room", ["kafka", "cassandra", "mysql"])
def test_the_room_does_not_shadow_the_package(room: str) -> None:
    origin = importlib.util.find_spec(room).origin
    assert origin is not None
    assert ROOT / room not in Path(origin).parents


@pytest.mark.parametrize("room", ["kafka", "cassandra", "mysql", "superset"])
def test_the_room_is_no_package(room: str) -> None:
    assert not (ROOT / room / "__init__.py").exists()
