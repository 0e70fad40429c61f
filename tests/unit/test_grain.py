"""How the steps of a chart over time follow from its time range."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dashboards import assets, grain

SINCE = datetime.fromisoformat("2026-05-01T12:03:20")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2020, 12, 31))  # noqa: DTZ001 (long ago: ranges are over)
LENGTHS = st.timedeltas(timedelta(seconds=1), timedelta(days=grain.POINTS))
SHORTEST = st.sampled_from(sorted(assets.TIMES.values()))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("length", "minutes"),
    [
        (timedelta(minutes=10), 1),
        (HOUR, 1),
        (8 * HOUR, 1),
        (timedelta(minutes=500, seconds=1), 5),
        (DAY, 5),
        (3 * DAY, 15),
        (7 * DAY, 60),
        (30 * DAY, 180),
        (90 * DAY, 360),
        (400 * DAY, 1440),
        (4000 * DAY, 1440),
    ],
)
def test_a_longer_range_has_longer_steps(length: timedelta, minutes: int) -> None:
    assert grain.step_seconds(SINCE.isoformat(), (SINCE + length).isoformat()) == 60 * minutes


@given(since=MOMENTS, length=LENGTHS, at_least=SHORTEST)
def test_a_range_has_few_steps_and_none_reaches_over_midnight(
    since: datetime, length: timedelta, at_least: int
) -> None:
    step = grain.step_seconds(since.isoformat(), (since + length).isoformat(), at_least)
    assert step >= at_least
    assert grain.DAY % step == 0
    first, last = ((moment - grain.EPOCH) // timedelta(seconds=step) for moment in (since, since + length))
    assert last - first <= grain.POINTS


@pytest.mark.parametrize(("since", "until"), [(None, None), ("", ""), (None, "2026-05-01T00:00:00")])
def test_a_range_without_a_beginning_is_a_long_one(since: str | None, until: str | None) -> None:
    assert grain.step_seconds(since, until) == grain.DAY


def test_a_range_without_an_end_ends_now() -> None:
    assert grain.step_seconds((grain._now() - HOUR).isoformat(), None) == grain.MINUTE
    assert grain.step_seconds((grain._now() - DAY).isoformat(), None) == 5 * grain.MINUTE


def whole(since: datetime | None, until: datetime | None, at_least: int = grain.MINUTE) -> tuple[datetime, datetime]:
    """The range of whole steps that the SQL names."""
    ends = [end and end.isoformat() for end in (since, until)]
    found = re.fullmatch(r"minute >= '(.+)' AND minute < '(.+)'", grain.is_whole("minute", *ends, at_least))
    return datetime.fromisoformat(found[1]), datetime.fromisoformat(found[2])


@given(since=MOMENTS, length=LENGTHS, at_least=SHORTEST)
def test_whole_steps_lie_in_the_range_and_no_other_would(since: datetime, length: timedelta, at_least: int) -> None:
    until = since + length
    step = timedelta(seconds=grain.step_seconds(since.isoformat(), until.isoformat(), at_least))
    first, last = whole(since, until, at_least)
    assert since <= first < since + step
    assert until - step < last <= until
    assert (first - grain.EPOCH) % step == (last - grain.EPOCH) % step == timedelta(0)


def test_a_step_that_is_not_over_is_not_whole() -> None:
    now = grain._now()
    for until in (now + 2 * HOUR, None):
        _, last = whole(now - HOUR, until)
        assert now - timedelta(minutes=1) < last <= grain._now()


def test_of_a_range_without_a_beginning_the_first_step_is_whole() -> None:
    first, _ = whole(None, SINCE)
    assert first == grain.EPOCH
