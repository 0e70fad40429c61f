"""What keeps the stack from running on a Docker engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from local.compose.engine import Facts, findings, has_volumes, version

FINE = Facts(engine=(27, 3), compose=(2, 29), memory_mb=8000)


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(FINE) == []


@pytest.mark.parametrize(
    ("change", "problem", "remedy"),
    [
        ({"engine": None}, "no Docker engine answers", "RUNTIME=native"),
        ({"engine": (19, 3)}, "engine is 19.3", "20.10 or later"),
        ({"compose": None}, "compose is missing", "2.21 or later"),
        ({"compose": (2, 2)}, "compose is 2.2", "2.21 or later"),
        ({"memory_mb": 4000}, "4000 MB of memory", "give Docker more"),
    ],
)
def test_each_is_found_with_what_mends_it(change: dict, problem: str, remedy: str) -> None:
    [found] = findings(replace(FINE, **change))
    assert problem in found.problem
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("text", "expected"),
    [("20.10.24+dfsg1", (20, 10)), ("v2.40.3\n", (2, 40)), ("2.40.3-3", (2, 40)), ("", None)],
)
def test_versions_are_read(text: str, expected: tuple[int, int] | None) -> None:
    assert version(text) == expected


@pytest.mark.parametrize(
    ("docker", "expected"),
    [
        ("", None),
        ("exit 1", None),
        ('case "$*" in *label=com.docker.compose.project=another) echo another_kafka; esac', False),
        ('case "$*" in *label=com.docker.compose.project=shop) echo shop_kafka; esac', True),
    ],
    ids=["no docker", "no engine", "another project", "this project"],
)
def test_an_engine_that_does_not_answer_is_told_from_one_without_volumes(
    docker: str, expected: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if docker:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{docker}\n")
        (tmp_path / "docker").chmod(0o700)
    assert has_volumes("shop") is expected
