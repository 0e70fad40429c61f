"""How far back MySQL's tables reach: by minute for MYSQL_RETENTION_DAYS, by hour for MYSQL_HOURS_RETENTION_DAYS."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from settings import Settings
from stores.hour import HOUR, hour_of


class Coverage(NamedTuple):
    """All that happened from `hours_from` on is there, by minute or by hour, and from `minutes_from` on by minute. Both
    are beginnings of hours (UTC, naive)."""

    hours_from: datetime
    minutes_from: datetime


def read(cursor: Any) -> Coverage:
    cursor.execute("SELECT hours_from, minutes_from FROM coverage")
    return Coverage(*cursor.fetchone())


def begin(cursor: Any, settings: Settings, now: datetime) -> None:
    """Notes how far back tables reach that are new, or were there before this was noted; `now` is UTC, naive."""
    since = hour_of(now - timedelta(days=settings.mysql_retention_days)) + HOUR
    cursor.execute(
        "INSERT IGNORE INTO coverage (only_row, hours_from, minutes_from) VALUES (1, %s, %s)",  # once
        (since, since),
    )
