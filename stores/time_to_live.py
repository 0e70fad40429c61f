"""How long Cassandra keeps the archive's rows: each as long as was in force when it was written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cassandra.cluster import Session

BEGINNING = datetime.fromtimestamp(0, UTC)
WRITTEN_WITHIN = timedelta(hours=1)
"""No event is archived longer than this before it occurred, whatever the clocks say."""


class TimeToLive(NamedTuple):
    """For so many days rows are kept that are written from `since` on (UTC)."""

    since: datetime
    days: int


def is_kept(moment: datetime, lives: Sequence[TimeToLive], now: datetime) -> bool:
    """Whether all events that occurred from this moment on (UTC) are there still.

    They may have been written at any time since: of all times to live from then on the shortest one is taken.
    """
    written = moment - WRITTEN_WITHIN
    ends = [*(life.since for life in lives[1:]), datetime.max.replace(tzinfo=UTC)]
    days = min(life.days for life, end in zip(lives, ends, strict=True) if end > written)
    return now < written + timedelta(days=days)


def read(session: Session) -> list[TimeToLive]:
    """All that were ever in force, in order. Raises the driver's errors."""
    rows: list[Any] = session.execute("SELECT since, days FROM times_to_live")
    return sorted(TimeToLive(row.since.replace(tzinfo=UTC), row.days) for row in rows)


def note(session: Session, before: int | None, days: int, now: datetime) -> None:
    """Notes the one in force from now on; `before`: the one that tables had which were there. Raises the driver's
    errors."""
    known = read(session)
    new = [] if known else [TimeToLive(BEGINNING, before or days)]
    if [*known, *new][-1].days != days:
        new.append(TimeToLive(now, days))
    for life in new:
        session.execute("INSERT INTO times_to_live (since, days) VALUES (%s, %s)", life)
