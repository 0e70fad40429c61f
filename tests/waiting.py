"""How tests wait: they look again and again until something is so, up to a deadline."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep


def wait_for(what: str, is_so: Callable[[], object], within_s: float = 120, look_every_s: float = 0.2) -> None:
    deadline = monotonic() + within_s
    while not is_so():
        assert monotonic() < deadline, f"{what}: not within {within_s:.0f} s"
        sleep(look_every_s)
