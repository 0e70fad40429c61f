"""How finely a chart over time is drawn: the longer the time range, the longer its steps.

SQL in the dashboards' files calls these functions as Jinja macros (macros.py makes them known), with the range
as Superset has it there: `{{ step_start('minute', from_dttm, to_dttm) }}`. An end is text in ISO 8601, UTC, or nothing
where the range is open. Steps begin at whole multiples of their length since midnight.

`at_least` is the shortest step, in seconds: of what happens seldom, a minute has too little to be drawn by the minute.
`reach` tells what MySQL has by minute and by hour (stores/coverage.py). What was before the minutes is there as rows of
hours alone, in tables of their own, whose `minute` is the one with which the hour begins: such an hour belongs to the
range in which it begins, whole. A range with such hours has steps of an hour at least; without `reach`, steps go by the
range's length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple


class Reach(NamedTuple):
    """All that happened from `minutes_from` on is there by minute, all up to `hours_until` by hour (UTC, naive)."""

    minutes_from: datetime
    hours_until: datetime


Asked = Callable[[], Reach]

MINUTE, HOUR, DAY = 60, 3600, 86_400
STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, DAY)
"""In seconds. Each divides a day: none reaches over midnight."""
STEP_COLUMNS = {"time": MINUTE, "time_from_5_min": 5 * MINUTE}
"""What a chart over time has as its x axis -> its shortest step."""
POINTS = 500
"""So many steps a range has at most, and one more where it begins within one. Only of years there are more days."""
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (all times here are UTC, without saying so)


AN_HOUR = timedelta(hours=1)
YOUNGEST_WITHOUT_MINUTES = timedelta(days=1, hours=1)
"""So long ago the youngest hour begins whose minutes are gone, at least: no setting has them go before they are a day
old. Whoever looks at later times alone need not ask."""
LONG = timedelta(hours=6)
"""A range as long is added up from its hours, where it can be: there are fewer rows of them."""


def step_seconds(since: str | None, until: str | None, at_least: int = MINUTE, reach: Asked | None = None) -> int:
    """The length of a range's steps: the shortest of which POINTS are enough, the longest where there is no telling."""
    if not since:
        return STEPS[-1]
    begins = datetime.fromisoformat(since)
    if reach and _is_old(since) and begins < reach().minutes_from:
        at_least = max(at_least, HOUR)
    seconds = (_end(until) - begins).total_seconds()
    return next((step for step in STEPS if step >= at_least and seconds <= POINTS * step), STEPS[-1])


def step_start(
    column: str, since: str | None, until: str | None, at_least: int = MINUTE, reach: Asked | None = None
) -> str:
    """SQL for the beginning of the step in which a column's time lies, in a form that Superset's SQL parser keeps."""
    step = step_seconds(since, until, at_least, reach)
    seconds = f"TIME_TO_SEC({column})"  # of the day, without fractions; divided by a long step they would be rounded up
    return f"DATE_ADD(CAST({column} AS DATE), INTERVAL ({seconds} - MOD({seconds}, {step})) SECOND)"


def is_whole(
    column: str, since: str | None, until: str | None, at_least: int = MINUTE, reach: Asked | None = None
) -> str:
    """SQL for whether a column's time lies in a step that is over, and that neither end of the range cuts."""
    step = timedelta(seconds=step_seconds(since, until, at_least, reach))
    begins = datetime.fromisoformat(since) if since else EPOCH
    ends = min(_end(until), _now())
    return f"{column} >= '{begins + (EPOCH - begins) % step}' AND {column} < '{ends - (ends - EPOCH) % step}'"


def in_range(column: str, since: str | None, until: str | None, sooner: int = 0) -> str:
    """SQL for whether a column's time lies in the range, or up to `sooner` seconds before it."""
    ends = []
    if since:
        ends.append(f"{column} >= '{datetime.fromisoformat(since) - timedelta(seconds=sooner)}'")
    if until:
        ends.append(f"{column} < '{datetime.fromisoformat(until)}'")
    return " AND ".join(ends) or "TRUE"


def earlier(since: str | None, until: str | None) -> tuple[str | None, str | None]:
    """A range and the one of equal length before it, as one range."""
    if not since:
        return since, until
    begins = datetime.fromisoformat(since)
    return (begins - (_end(until) - begins)).isoformat(), until


def with_hours(
    recent: str,
    time: str,
    hours: str,
    since: str | None,
    until: str | None,
    columns: str,
    asked: Sequence[Any] | None = None,
    cut: str | None = None,
    reach: Asked | None = None,
) -> str:
    """SQL for a range's rows: those of a table or view, by its column `time`, and those of a table of hours, which has
    `minute` in its place. They have `time` and these columns; no more than are needed, for MySQL writes down what it
    puts together.

    Hours stand for minutes where these are gone and, in a long range, wherever they are whole and no finer steps are
    `asked` for (the columns of the chart's query). The hours in which the range begins or ends, or is `cut` in two, are
    taken by minute as long as there are minutes.
    """
    begins = datetime.fromisoformat(since) if since else EPOCH
    ends = datetime.fromisoformat(until) if until else None
    is_long = _end(until) - begins >= LONG and step_of(asked, time, since, until, reach) >= HOUR
    if reach is None or not (is_long or (_is_old(since) and begins < reach().minutes_from + AN_HOUR)):
        return _rows(recent, time, columns, [(begins, ends)])
    minutes_from, hours_until = reach()
    edges = {_hour_of(at) for at in (begins, ends, cut and datetime.fromisoformat(cut)) if at}
    edges = {hour for hour in edges if minutes_from < hour < hours_until}  # the first one's minutes may go meanwhile
    by_minute = [(max(begins, hour), _sooner(ends, hour + AN_HOUR)) for hour in sorted(edges)]
    by_minute.append((max(begins, hours_until), ends))
    if hours_until <= begins:
        return _rows(recent, time, columns, by_minute)
    of_hours = _rows(hours, "minute", columns, [(begins, _sooner(ends, hours_until))])
    without = "".join(f" AND minute <> '{hour}'" for hour in sorted(edges))
    return f"{_rows(recent, time, columns, by_minute)} UNION ALL {of_hours}{without}"


def step_of(asked: Sequence[Any] | None, time: str, since: str | None, until: str | None, reach: Asked | None) -> int:
    """The length of the steps, in seconds, by which a query groups that asks for these columns (the map's for none), of
    a table with this time: a day's where it does not."""
    names = {one.get("label") if isinstance(one, dict) else one for one in asked or ()}
    if time in names:
        return MINUTE
    steps = [step_seconds(since, until, at_least, reach) for name, at_least in STEP_COLUMNS.items() if name in names]
    return min(steps, default=DAY)


def _rows(table: str, time: str, columns: str, spans: Sequence[tuple[datetime, datetime | None]]) -> str:
    """Those of spans of time, none of which has two."""
    found = [_within(time, since, until) for since, until in spans if until is None or since < until]
    condition = found[0] if len(found) == 1 else " OR ".join(f"({one})" for one in found) or "FALSE"
    return f"SELECT {time}, {columns} FROM {table} WHERE ({condition})"  # noqa: S608 (names of our own files)


def _within(column: str, since: datetime, until: datetime | None) -> str:
    return f"{column} >= '{since}'" + (f" AND {column} < '{until}'" if until else "")


def _sooner(one: datetime | None, other: datetime) -> datetime:
    return min(one, other) if one else other


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def parts_of_hour(since: str | None, until: str | None, at_least: int = MINUTE) -> str:
    """SQL with a row for each step of an hour, to spread rows of hours evenly: `after_s`, the seconds after which it
    begins, and `parts`, how many these are. One where steps are of an hour or longer."""
    step = min(HOUR, step_seconds(since, until, at_least))
    return " UNION ALL ".join(
        f"SELECT {after_s} AS after_s, {HOUR // step} AS parts" for after_s in range(0, HOUR, step)
    )


def minutes_begin(since: str | None, until: str | None, at_least: int = MINUTE) -> str:
    """SQL for when the minutes of a range begin: what was before is taken by the hour. Steps that are as long as hours
    take all of these that there are."""
    by_hour = step_seconds(since, until, at_least) >= HOUR
    return f"(SELECT {'COALESCE(hours_until, minutes_from)' if by_hour else 'minutes_from'} FROM coverage)"  # noqa: S608


def macros(reach: Asked) -> dict[str, Callable[..., object]]:
    """What SQL in the dashboards' files can call, by name."""
    by_age = (step_seconds, step_start, is_whole, with_hours)
    others = {each.__name__: each for each in (in_range, earlier, parts_of_hour, minutes_begin)}
    return others | {each.__name__: partial(each, reach=reach) for each in by_age}


def _is_old(since: str | None) -> bool:
    return not since or datetime.fromisoformat(since) <= _now() - YOUNGEST_WITHOUT_MINUTES


def _end(until: str | None) -> datetime:
    return datetime.fromisoformat(until) if until else _now()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
