"""What MySQL's tables have: minutes for MYSQL_RETENTION_DAYS, hours for MYSQL_HOURS_RETENTION_DAYS, as soon as nothing
can come of them any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from settings import Settings
from stores.hour import HOUR, hour_of


class Coverage(NamedTuple):
    """All that happened from `minutes_from` on is there by minute, and from `hours_from` up to `hours_until` by hour:
    what lies between is there in both ways. Beginnings of hours (UTC, naive)."""

    hours_from: datetime
    minutes_from: datetime
    hours_until: datetime


def read(cursor: Any, lock: bool = False) -> Coverage:
    """With `lock` it stays so until the transaction ends."""
    columns = "hours_from, minutes_from, COALESCE(hours_until, minutes_from)"
    cursor.execute(f"SELECT {columns} FROM coverage{' FOR SHARE' if lock else ''}")  # noqa: S608 - names only
    return Coverage(*cursor.fetchone())


def begin(cursor: Any, settings: Settings, now: datetime) -> None:
    """Notes how far back tables reach that are new, or were there before this was noted; `now` is UTC, naive."""
    since = hour_of(now - timedelta(days=settings.mysql_retention_days)) + HOUR
    cursor.execute(
        "INSERT IGNORE INTO coverage (only_row, hours_from, minutes_from, hours_until) VALUES (1, %s, %s, %s)",  # once
        (since, since, since),
    )
