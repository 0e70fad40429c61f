"""Outages: what is retried, with back-off and a report, instead of failing."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


class Unavailable(RuntimeError):  # noqa: N818 - it names the state of a store
    """A store can't be reached or can't do its work now; the same call may succeed later."""


class Stopped(Exception):  # noqa: N818 - it is no error
    """Somebody who waited through an outage is to stop."""


def pauses(first_s: float = FIRST_PAUSE_S, longest_s: float = LONGEST_PAUSE_S) -> Iterator[float]:
    """Seconds to wait before one try after another: twice as long each time. Who waits spreads them."""
    pause_s = first_s
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, longest_s)


def retry(call: Callable[[], T], what: str, deadline_s: float | None = None, stop: threading.Event | None = None) -> T:
    """Calls until it succeeds, pausing longer and longer while it raises Unavailable, and reports each pause.

    Raises the last Unavailable once `deadline_s` seconds have passed, without a deadline it never gives up; and Stopped
    once `stop` is set. Every other exception passes through at once.
    """
    stop = stop or threading.Event()
    started, lengths_s, said = time.monotonic(), pauses(), ""
    pause_s = next(lengths_s)
    while True:
        try:
            result = call()
        except Unavailable as outage:
            waited_s = time.monotonic() - started
            if deadline_s is not None and waited_s + pause_s > deadline_s:
                raise
            if str(outage) != said or pause_s == LONGEST_PAUSE_S:
                log.warning("%s: outage for %.0f s, trying again: %s", what, waited_s, outage)
                said = str(outage)
            if stop.wait(pause_s * random.uniform(0.8, 1.2)):  # noqa: S311 - spreads retries, no secret
                raise Stopped from outage
            pause_s = next(lengths_s)
            continue
        if said:
            log.warning("%s: works again after %.0f s", what, time.monotonic() - started)
        return result
