"""When records are sent: as the simulated clock says, or as fast as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Event as Flag
from time import time

from producer.records import Record

BATCH_RECORDS = 5_000
TICK_S = 0.1
"""Live records are sent this often, so that they wait for each other no longer than that."""
FARTHEST_BEHIND = 7 / 12
"""Of the time that the contract gives events. A live producer farther behind, after an outage or a sleep of the
machine, lets the past be past: the late ones among its events (producer.faults) would reach the broker too late."""
FARTHEST_AHEAD_S = 30 * 60
"""A live producer farther ahead than this has seen the clock put back: it does not stand still until then."""


class OutOfStep(Exception):  # noqa: N818 (not an error)
    """The records are too far behind the clock to be sent still, or too far ahead of it to be waited for."""


def unpaced(records: Iterable[Record], stop: Flag) -> Iterator[list[Record]]:
    """Full batches, until the records end or `stop` is set."""
    batch: list[Record] = []
    for record in records:
        batch.append(record)
        if len(batch) == BATCH_RECORDS:
            yield batch
            if stop.is_set():
                return
            batch = []
    if batch:
        yield batch


def live(
    records: Iterable[Record], stop: Flag, farthest_s: tuple[float, float] | None = None
) -> Iterator[list[Record]]:
    """Batches of the records whose time has come; what lies in the past comes at once, in full batches.

    Raises OutOfStep when a record is farther behind the clock, or ahead of it, than `farthest_s` (behind, ahead).
    """
    batch: list[Record] = []
    for record in records:
        due_s = record.at_ms / 1000
        if batch and (due_s > time() or len(batch) == BATCH_RECORDS):
            yield batch
            if stop.is_set():
                return
            batch = []
        ahead_s = due_s - time()
        if farthest_s is not None and not -farthest_s[0] <= ahead_s <= farthest_s[1]:
            raise OutOfStep
        if ahead_s > 0 and stop.wait(max(ahead_s, TICK_S)):
            return
        batch.append(record)
    if batch:
        yield batch
