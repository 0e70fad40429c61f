"""How finely a chart over time is drawn: the longer the time range, the longer its steps.

SQL in the dashboards' files calls these functions as Jinja macros (macros.py makes them known), with the range
as Superset has it there: `{{ step_start('minute', from_dttm, to_dttm) }}`. An end is text in ISO 8601, UTC, or nothing
where the range is open. Steps begin at whole multiples of their length since midnight.

`at_least` is the shortest step, in seconds: of what happens seldom, a minute has too little to be drawn by the minute.
`minutes_from` tells from when on MySQL has minutes (UTC, naive). What was before is there as rows of hours, in tables
of their own, whose `minute` is the one with which the hour begins: such an hour belongs to the range in which it
begins, whole. A range with hours has steps of an hour at least; without `minutes_from`, steps go by the range's length.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

Moment = Callable[[], datetime]

MINUTE, HOUR, DAY = 60, 3600, 86_400
STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, DAY)
"""In seconds. Each divides a day: none reaches over midnight."""
POINTS = 500
"""So many steps a range has at most, and one more where it begins within one. Only of years there are more days."""
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (all times here are UTC, without saying so)


YOUNGEST_HOUR = timedelta(days=1, hours=1)
"""So long ago the youngest row of an hour begins, at least: no setting has minutes become hours before they are a day
old. Whoever looks at later times alone need not ask."""


def step_seconds(
    since: str | None, until: str | None, at_least: int = MINUTE, minutes_from: Moment | None = None
) -> int:
    """The length of a range's steps: the shortest of which POINTS are enough, the longest where there is no telling."""
    if not since:
        return STEPS[-1]
    begins = datetime.fromisoformat(since)
    if minutes_from and _is_old(since) and begins < minutes_from():
        at_least = max(at_least, HOUR)
    seconds = (_end(until) - begins).total_seconds()
    return next((step for step in STEPS if step >= at_least and seconds <= POINTS * step), STEPS[-1])


def step_start(
    column: str, since: str | None, until: str | None, at_least: int = MINUTE, minutes_from: Moment | None = None
) -> str:
    """SQL for the beginning of the step in which a column's time lies, in a form that Superset's SQL parser keeps."""
    step = step_seconds(since, until, at_least, minutes_from)
    seconds = f"TIME_TO_SEC({column})"  # of the day, without fractions; divided by a long step they would be rounded up
    return f"DATE_ADD(CAST({column} AS DATE), INTERVAL ({seconds} - MOD({seconds}, {step})) SECOND)"


def is_whole(
    column: str, since: str | None, until: str | None, at_least: int = MINUTE, minutes_from: Moment | None = None
) -> str:
    """SQL for whether a column's time lies in a step that is over, and that neither end of the range cuts."""
    step = timedelta(seconds=step_seconds(since, until, at_least, minutes_from))
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
    columns: str = "*",
    minutes_from: Moment | None = None,
) -> str:
    """SQL for a range's rows: those of a table or view, by its column `time`, and where there may be some those of a
    table of hours, which has `minute` in its place. They have `time` and these columns; all, in the same order in both,
    where none are named. Only those that are needed are quicker: MySQL writes down what it puts together.
    """
    rows = _rows(recent, time, columns, since, until)
    an_hour = timedelta(hours=1)  # may become one meanwhile
    if since and (not _is_old(since) or (minutes_from and datetime.fromisoformat(since) >= minutes_from() + an_hour)):
        return rows
    return f"{rows} UNION ALL {_rows(hours, 'minute', columns, since, until)}"


def _rows(table: str, time: str, columns: str, since: str | None, until: str | None) -> str:
    wanted = columns if columns == "*" else f"{time}, {columns}"
    return f"SELECT {wanted} FROM {table} WHERE {in_range(time, since, until)}"  # noqa: S608 (names of our own files)


def parts_of_hour(since: str | None, until: str | None, at_least: int = MINUTE) -> str:
    """SQL with a row for each step of an hour, to spread rows of hours evenly: `after_s`, the seconds after which it
    begins, and `parts`, how many these are. One where steps are of an hour or longer."""
    step = min(HOUR, step_seconds(since, until, at_least))
    return " UNION ALL ".join(
        f"SELECT {after_s} AS after_s, {HOUR // step} AS parts" for after_s in range(0, HOUR, step)
    )


def macros(minutes_from: Moment) -> dict[str, Callable[..., object]]:
    """What SQL in the dashboards' files can call, by name."""
    by_age = (step_seconds, step_start, is_whole, with_hours)
    others = {each.__name__: each for each in (in_range, earlier, parts_of_hour)}
    return others | {each.__name__: partial(each, minutes_from=minutes_from) for each in by_age}


def _is_old(since: str) -> bool:
    return datetime.fromisoformat(since) <= _now() - YOUNGEST_HOUR


def _end(until: str | None) -> datetime:
    return datetime.fromisoformat(until) if until else _now()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
