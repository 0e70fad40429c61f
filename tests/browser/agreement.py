"""What a page shows against what MySQL says, while both move."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping

Agrees = Callable[[str, float | None, set[float]], bool]
"""Whether what is shown under a name, if anything, is among the figures that MySQL gave for it."""


def is_given(_name: str, shown: float | None, given: set[float]) -> bool:
    return shown in given


def wait_until_agreed(
    shown: Callable[[], Mapping[str, float | None]],
    figures: Callable[[], Mapping[str, float]],
    deadline_s: float = 60,
    agrees: Agrees = is_given,
) -> None:
    """Waits until everything that is shown is a figure that MySQL gave since the call.

    Not the figure of this moment: late events and sessions that go on change it while the page waits for its refresh.
    """
    given: dict[str, set[float]] = defaultdict(set)
    deadline = time.monotonic() + deadline_s
    while True:
        for name, figure in figures().items():
            given[name].add(figure)
        off = {name: (now, given[name]) for name, now in shown().items() if not agrees(name, now, given[name])}
        if not off:
            return
        assert time.monotonic() < deadline, f"(on the page, in MySQL): {off}"
        time.sleep(0.2)  # between two polls
