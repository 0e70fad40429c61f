"""How the steps of a chart over time follow from its time range."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
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


def reach(days: float = 3, hours: float = 3) -> grain.Asked:
    """MySQL has minutes for so many days, and hours from so many hours ago on."""
    found = grain.Reach(grain._now() - days * DAY, grain._now() - hours * HOUR)
    return lambda: found


@pytest.mark.parametrize(("days_ago", "minutes"), [(0.5, 1), (2.9, 1), (3.1, 60), (300, 60)])
def test_where_minutes_are_gone_steps_have_an_hour_at_least(days_ago: float, minutes: int) -> None:
    since = grain._now() - timedelta(days=days_ago)
    ends = since.isoformat(), (since + HOUR).isoformat()
    assert grain.step_seconds(*ends, reach=reach()) == 60 * minutes
    assert grain.macros(reach())["step_seconds"](*ends) == 60 * minutes
    assert grain.step_seconds(*ends) == grain.MINUTE
    days = (since.isoformat(), (since + 30 * DAY).isoformat())
    assert grain.step_seconds(*days, reach=reach()) == grain.step_seconds(*days)


@pytest.mark.parametrize(
    ("ago", "length", "asked", "there_are"),
    [
        (4 * DAY, HOUR, ["time"], True),  # whatever is asked for, there are no minutes
        (3 * DAY - HOUR / 60, HOUR, ["time"], True),  # the next hour's may go meanwhile
        (3 * DAY - 61 * HOUR / 60, HOUR, ["time"], False),
        (DAY, DAY, [], True),  # a total
        (DAY, DAY, None, True),  # the map's
        (DAY, DAY, ["country"], True),
        (DAY, DAY, ["country", "time"], False),  # in steps of five minutes
        (DAY, DAY, [{"label": "time", "columnType": "BASE_AXIS"}], False),
        (DAY, DAY, ["at"], False),
        (20 * DAY, 20 * DAY, ["time"], True),
        (5 * HOUR, 5 * HOUR, [], False),
        (6 * HOUR, 6 * HOUR, [], True),
    ],
)
def test_hours_are_asked_for_where_they_are_needed_or_quicker(
    ago: timedelta, length: timedelta, asked: list | None, there_are: bool
) -> None:
    since = grain._now() - ago
    sql = grain.macros(reach())["with_hours"](
        "a", "at", "a_by_hour", since.isoformat(), (since + length).isoformat(), "b", asked=asked
    )
    assert ("a_by_hour" in sql) == there_are


def test_nobody_asks_for_a_short_and_recent_range() -> None:
    def asked() -> grain.Reach:
        raise AssertionError

    now = grain._now()
    ends = (now - HOUR).isoformat(), now.isoformat()
    macros = grain.macros(asked)
    assert macros["step_seconds"](*ends) == grain.MINUTE
    assert "by_hour" not in macros["with_hours"]("a", "at", "a_by_hour", *ends, "b")


def rows_of(select: str, times: list[datetime]) -> list[datetime]:
    """Which of these times a SELECT of `with_hours` takes."""
    condition = select.split(" WHERE ")[1]
    for sql, python in {"<>": "!=", "AND": "and", "OR": "or", "FALSE": "False"}.items():
        condition = condition.replace(sql, python)
    condition = re.sub(r"\b(?:at|minute) (>=|<|!=) '([^']+)'", r"time \1 moment('\2')", condition)
    takes = eval(f"lambda time: {condition}", {"moment": cache(datetime.fromisoformat)})  # noqa: S307
    return [time for time in times if takes(time)]


@settings(max_examples=60)
@given(since=st.integers(0, 1500), length=st.integers(360, 1800), cut=st.integers(0, 3000), until=st.integers(0, 3000))
def test_each_minute_of_a_range_is_taken_once(since: int, length: int, cut: int, until: int) -> None:
    """By itself, or by its hour, which then lies in the range whole and is not cut."""
    first = datetime(2020, 5, 1)  # noqa: DTZ001
    begins, ends, cut_at = (first + timedelta(minutes=m) for m in (since, since + length, cut))
    found = grain.Reach(first - DAY, grain._hour_of(first + timedelta(minutes=until)))
    sql = grain.with_hours(
        "a", "at", "a_by_hour", begins.isoformat(), ends.isoformat(), "b", cut=cut_at.isoformat(), reach=lambda: found
    )
    minutes = [first + timedelta(minutes=m) for m in range(-60, 3400)]
    by_minute, *by_hour = sql.split(" UNION ALL ")
    taken = rows_of(by_minute, minutes)
    for hour in rows_of(by_hour[0], [at for at in minutes if not at.minute]) if by_hour else ():
        assert hour < found.hours_until
        assert not hour < cut_at < hour + HOUR
        taken += [hour + timedelta(minutes=m) for m in range(60)]
    assert sorted(taken) == [minute for minute in minutes if begins <= minute < ends]


def test_only_the_columns_that_are_named_are_read() -> None:
    ends = "2026-05-01T12:00:30", "2026-05-01T13:00:00"
    assert grain.with_hours("a", "at", "b", *ends, "c, d") == (
        "SELECT at, c, d FROM a WHERE (at >= '2026-05-01 12:00:30' AND at < '2026-05-01 13:00:00')"
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


@pytest.mark.parametrize(("length", "seam"), [(3 * DAY, "minutes_from"), (7 * DAY, "hours_until")])
def test_steps_as_long_as_hours_take_all_hours_that_there_are(length: timedelta, seam: str) -> None:
    assert seam in grain.minutes_begin(SINCE.isoformat(), (SINCE + length).isoformat()).replace(
        "(hours_until, m", "(hours_until, M"
    )


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
