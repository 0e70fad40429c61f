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


@pytest.mark.parametrize(("days_ago", "minutes"), [(0.5, 1), (2.9, 1), (3.1, 60), (300, 60)])
def test_what_is_kept_as_hours_has_steps_of_an_hour_at_least(days_ago: float, minutes: int) -> None:
    since, minutes_from = grain._now() - timedelta(days=days_ago), grain._now() - 3 * DAY
    ends = since.isoformat(), (since + HOUR).isoformat()
    assert grain.step_seconds(*ends, minutes_from=lambda: minutes_from) == 60 * minutes
    assert grain.macros(lambda: minutes_from)["step_seconds"](*ends) == 60 * minutes
    assert grain.step_seconds(*ends) == grain.MINUTE
    days = (since.isoformat(), (since + 30 * DAY).isoformat())
    assert grain.step_seconds(*days, minutes_from=lambda: minutes_from) == grain.step_seconds(*days)


@pytest.mark.parametrize(
    ("ago", "minutes_from_ago", "there_are"),
    [
        (3 * DAY, 2 * DAY, True),
        (2 * DAY - HOUR / 60, 2 * DAY, True),  # the next hour may become one meanwhile
        (2 * DAY - 61 * HOUR / 60, 2 * DAY, False),
        (DAY + HOUR + HOUR / 60, DAY, True),
    ],
)
def test_hours_are_asked_for_where_there_may_be_some(
    ago: timedelta, minutes_from_ago: timedelta, there_are: bool
) -> None:
    now = grain._now()
    ends = (now - ago).isoformat(), now.isoformat()
    macro = grain.macros(lambda: now - minutes_from_ago)["with_hours"]
    assert ("a_by_hour" in macro("a", "at", "a_by_hour", *ends)) == there_are


def test_nobody_asks_how_far_minutes_reach_for_a_recent_range() -> None:
    def minutes_from() -> datetime:
        raise AssertionError

    now = grain._now()
    ends = (now - DAY).isoformat(), now.isoformat()
    macros = grain.macros(minutes_from)
    assert macros["step_seconds"](*ends) == 5 * grain.MINUTE
    assert "by_hour" not in macros["with_hours"]("a", "at", "a_by_hour", *ends)


def test_rows_are_those_of_the_range() -> None:
    assert grain.with_hours("a", "at", "a_by_hour", None, None) == (
        "SELECT * FROM a WHERE TRUE UNION ALL SELECT * FROM a_by_hour WHERE TRUE"
    )
    assert grain.with_hours("a", "at", "b", "2026-05-01T12:00:30", "2026-05-01T13:00:00", columns="c, d") == (
        "SELECT at, c, d FROM a WHERE at >= '2026-05-01 12:00:30' AND at < '2026-05-01 13:00:00' UNION ALL "
        "SELECT minute, c, d FROM b WHERE minute >= '2026-05-01 12:00:30' AND minute < '2026-05-01 13:00:00'"
    )


def test_the_earlier_range_comes_before_and_is_as_long() -> None:
    assert grain.earlier(SINCE.isoformat(), (SINCE + HOUR).isoformat()) == (
        (SINCE - HOUR).isoformat(),
        (SINCE + HOUR).isoformat(),
    )
    assert grain.earlier(None, SINCE.isoformat()) == (None, SINCE.isoformat())
    [since, until] = grain.earlier((grain._now() - HOUR).isoformat(), None)
    assert timedelta(0) <= datetime.fromisoformat(since) + 2 * HOUR - grain._now() + HOUR / 60 < HOUR / 30
    assert until is None


@pytest.mark.parametrize(("length", "parts"), [(HOUR, 60), (DAY, 12), (3 * DAY, 4), (7 * DAY, 1), (90 * DAY, 1)])
def test_an_hour_has_parts_as_long_as_a_step(length: timedelta, parts: int) -> None:
    ends = SINCE.isoformat(), (SINCE + length).isoformat()
    rows = grain.parts_of_hour(*ends).split(" UNION ALL ")
    assert rows == [f"SELECT {3600 // parts * n} AS after_s, {parts} AS parts" for n in range(parts)]


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
