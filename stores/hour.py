"""Hours, by the time at which they begin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def minutes_of(hour: datetime) -> Iterator[datetime]:
    return (hour + timedelta(minutes=minute) for minute in range(60))


def hours(first: datetime, last: datetime) -> Iterator[datetime]:
    """The hours from `first` up to `last`, both among them."""
    while first <= last:
        yield first
        first += HOUR
