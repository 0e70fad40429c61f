"""Which Python does what: any from 3.10 on runs `local`, and the environments are made of 3.11 or 3.12.

Superset's pandas has no wheels for a later one. This module judges Pythons that are too old, so it must run on them.
"""

from __future__ import annotations

OLDEST = (3, 10)
OF_ENVIRONMENTS = ((3, 11), (3, 12))
LOOKED_FOR = "3.12"

REMEDY = f"where uv neither finds nor fetches a Python {LOOKED_FOR}, run make with PYTHON=<a Python 3.11 or 3.12>"


def refusal(version: tuple[int, int]) -> str | None:
    """Why this Python can't run `local`; None where it can."""
    if version >= OLDEST:
        return None
    return f"This is Python {version[0]}.{version[1]}: run make with PYTHON=<a Python 3.10 or later>"


def suits(version: tuple[int, int]) -> bool:
    """Whether the environments can be made of this Python."""
    return version in OF_ENVIRONMENTS


def for_environments(version: tuple[int, int], program: str) -> str:
    """What uv makes the environments of: the program that runs where it suits, else a version that uv looks for."""
    return program if suits(version) else LOOKED_FOR
