"""Hours and minutes, by the time at which they begin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def minutes(since: datetime, until: datetime) -> Iterator[datetime]:
    """The minutes from `since` up to `until`, which is not among them."""
    while since < until:
        yield since
        since += MINUTE


def hours_between(since: datetime, until: datetime) -> Iterator[datetime]:
    """The hours from `since`, the beginning of one, up to `until`, which is not among them."""
    while since < until:
        yield since
        since += HOUR


def hours(first: datetime, last: datetime) -> Iterator[datetime]:
    """The hours from `first` up to `last`, both among them."""
    while first <= last:
        yield first
        first += HOUR
