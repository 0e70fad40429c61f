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
"""Short enough: looked at day by day, no zone has another change; in steps of two weeks one is missed."""

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


def rows() -> dict[str, list[tuple]]:
    """MySQL's table -> its rows. Names of which the time is the same are of one zone."""
    numbers: dict[tuple[tuple[int, Kind], ...], int] = {}
    names = [
        (name, numbers.setdefault(tuple(changes(zoneinfo.ZoneInfo(name))), len(numbers) + 1))
        for name in sorted(zoneinfo.available_timezones())
    ]
    kinds, transitions = [], []
    for of_zone, zone in numbers.items():
        which: dict[Kind, int] = {}
        transitions += [(zone, second, which.setdefault(then, len(which))) for second, then in of_zone]
        kinds += [(zone, number, *of_number) for of_number, number in which.items()]
    return {
        "time_zone": [(zone, "N") for zone in numbers.values()],  # without leap seconds
        "time_zone_transition_type": kinds,
        "time_zone_transition": transitions,
        "time_zone_name": names,
    }


def fill(cursor: Any) -> int:
    """Fills MySQL's tables where it knows no name; returns how many it knows now, 0 where it knew some before."""
    cursor.execute("SELECT EXISTS (SELECT * FROM mysql.time_zone_name)")
    if cursor.fetchone()[0]:
        return 0
    tables = rows()
    for table, its_rows in tables.items():
        cursor.execute(f"DELETE FROM mysql.{table}")  # noqa: S608 - names, here and below; emptied names may have left it
        values = ", ".join(["%s"] * len(its_rows[0]))
        cursor.executemany(f"INSERT INTO mysql.{table} VALUES ({values})", its_rows)  # noqa: S608
    return len(tables["time_zone_name"])
