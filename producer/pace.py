"""When records are sent: as the simulated clock says, or as fast as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Event as Flag
from time import time

from producer.faults import Record

BATCH_RECORDS = 5_000
TICK_S = 0.1
"""Live records are sent this often, so that they wait for each other no longer than that."""
FARTHEST_BEHIND_S = 70 * 60
"""A live producer farther behind than this, after an outage or a sleep of the machine, lets the past be past: with the
late ones among them, its events would reach the broker after the two hours that the contract gives them."""


class FellBehind(Exception):  # noqa: N818 (not an error)
    """The records are too far behind the clock to be sent still."""


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


def live(records: Iterable[Record], stop: Flag, farthest_behind_s: float | None = None) -> Iterator[list[Record]]:
    """Batches of the records whose time has come; what lies in the past comes at once, in full batches.

    Raises FellBehind when a record is more than `farthest_behind_s` behind the clock.
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
        if farthest_behind_s is not None and ahead_s < -farthest_behind_s:
            raise FellBehind
        if ahead_s > 0 and stop.wait(max(ahead_s, TICK_S)):
            return
        batch.append(record)
    if batch:
        yield batch
