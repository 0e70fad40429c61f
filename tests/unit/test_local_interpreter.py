"""Which Python runs `local`, and which the environments are made of."""

from __future__ import annotations

import pytest

from local.interpreter import for_environments, refusal


@pytest.mark.parametrize(
    ("system", "version", "chosen"),
    [
        ("Debian 12", (3, 11), "/usr/bin/python3"),
        ("Debian 13", (3, 13), "3.12"),
        ("Ubuntu 22.04", (3, 10), "3.12"),
        ("Ubuntu 24.04", (3, 12), "/usr/bin/python3"),
        ("one that is newer than this", (3, 14), "3.12"),
    ],
)
def test_the_environments_get_a_python_that_superset_runs_on(
    system: str, version: tuple[int, int], chosen: str
) -> None:
    assert refusal(version) is None
    assert for_environments(version, "/usr/bin/python3") == chosen, system


def test_a_python_that_can_t_read_the_code_is_refused_with_what_to_do() -> None:
    assert "Python 3.9: run make with PYTHON=<a Python 3.10 or later>" in (refusal((3, 9)) or "")
