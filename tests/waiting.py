"""How tests wait: they look again and again until something is so, up to a deadline."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

DEADLINE_S = 180.0
"""For everything: many times what it takes where nothing else runs, so that no test fails because a machine is busy."""


def wait_for(
    what: str,
    is_so: Callable[[], object],
    within_s: float = DEADLINE_S,
    look_every_s: float = 0.2,
    but: Callable[[], str] = lambda: "",
) -> None:
    """Raises AssertionError after the deadline; `but` says what is so instead."""
    deadline = monotonic() + within_s
    while not is_so():
        assert monotonic() < deadline, f"{what}: not within {within_s:.0f} s {but()}"
        sleep(look_every_s)
