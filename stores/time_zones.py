"""The time zones that MySQL knows by name, so that CONVERT_TZ(minute, 'UTC', 'Europe/Berlin') works in SQL Lab.

MySQL keeps them in tables of its own, which a new server has empty. Its loader reads only files of an old form, which
many systems don't have any more, so they are filled from what Python knows.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

FIRST, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
"""What CONVERT_TZ converts begins with the one; summer times are known up to the other."""
STEP = timedelta(days=7)
"""No zone has two changes in so short a time since 1970, but for some that lasted hours and left no trace."""
TABLES = ("time_zone", "time_zone_name", "time_zone_transition", "time_zone_transition_type")

Kind = tuple[int, bool, str]
"""Offset from UTC in seconds, whether it is summer time, abbreviation."""


def kind(zone: tzinfo, at: datetime) -> Kind:
    local = at.astimezone(zone)
    return int(local.utcoffset().total_seconds()), bool(local.dst()), local.tzname()


def changes(zone: tzinfo) -> Iterator[tuple[int, Kind]]:
    """From which second since 1970 on a zone's time is of which kind, in order."""
    at, now = FIRST, kind(zone, FIRST)
    yield 0, now
    while at < END:
        before, at = at, at + STEP
        if (then := kind(zone, at)) == now:
            continue
        after = at
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            before, after = (middle, after) if kind(zone, middle) == now else (before, middle)
        now = then
        yield int(after.timestamp()), now


def fill(cursor: Any) -> int:
    """Fills MySQL's tables where they are empty; returns how many names it knows now, 0 where it knew some before."""
    cursor.execute("SELECT EXISTS (SELECT * FROM mysql.time_zone_name)")
    if cursor.fetchone()[0]:
        return 0
    names = sorted(zoneinfo.available_timezones())
    found: dict[tuple, int] = {}
    """Many names are of one zone."""
    names_of = [(name, found.setdefault(tuple(changes(zoneinfo.ZoneInfo(name))), len(found) + 1)) for name in names]
    kinds, transitions = [], []
    for all_changes, number in found.items():
        numbers: dict[Kind, int] = {}
        transitions += [(number, second, numbers.setdefault(kind, len(numbers))) for second, kind in all_changes]
        kinds += [(number, which, *kind) for kind, which in numbers.items()]
    for table in TABLES:  # what an interrupted run may have left
        cursor.execute(f"DELETE FROM mysql.{table}")  # noqa: S608 - a name of ours
    cursor.executemany("INSERT INTO mysql.time_zone VALUES (%s, 'N')", [(number,) for number in found.values()])
    cursor.executemany("INSERT INTO mysql.time_zone_transition_type VALUES (%s, %s, %s, %s, %s)", kinds)
    cursor.executemany("INSERT INTO mysql.time_zone_transition VALUES (%s, %s, %s)", transitions)
    cursor.executemany("INSERT INTO mysql.time_zone_name VALUES (%s, %s)", names_of)
    return len(names)
