"""Rooms that are called like a package of PyPI are never taken for it; the runtimes do not know each other."""

from __future__ import annotations

import importlib.util
import re
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


@pytest.mark.parametrize(("room", "others"), [("native", "compose|throwaway"), ("compose", "native|throwaway")])
def test_a_runtime_does_not_know_the_other(room: str, others: str) -> None:
    files = list((ROOT / "local" / room).glob("*.py"))
    assert len(files) > 3
    knows = [file.name for file in files if re.search(rf"\blocal\.({others})\b", file.read_text())]
    assert knows == []
