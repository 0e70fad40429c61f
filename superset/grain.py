"""How finely a chart over time is drawn: the longer the time range, the longer its steps.

SQL in the dashboards' files calls these functions as Jinja macros (superset_config.py makes them known), with the range
as Superset has it there: `{{ step_start('minute', from_dttm, to_dttm) }}`. An end is text in ISO 8601, UTC, or nothing
where the range is open. Steps begin at whole multiples of their length since midnight.

`at_least` is the shortest step, in seconds: of what happens seldom, a minute has too little to be drawn by the minute.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MINUTE, HOUR, DAY = 60, 3600, 86_400
STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, DAY)
"""In seconds. Each divides a day: none reaches over midnight."""
POINTS = 500
"""So many steps a range has at most, and one more where it begins within one. Only of years there are more days."""
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (all times here are UTC, without saying so)


def step_seconds(since: str | None, until: str | None, at_least: int = MINUTE) -> int:
    """The length of a range's steps: the shortest of which POINTS are enough, the longest where there is no telling."""
    if not since:
        return STEPS[-1]
    seconds = (_end(until) - datetime.fromisoformat(since)).total_seconds()
    return next((step for step in STEPS if step >= at_least and seconds <= POINTS * step), STEPS[-1])


def step_start(column: str, since: str | None, until: str | None, at_least: int = MINUTE) -> str:
    """SQL for the beginning of the step in which a column's time lies, in a form that Superset's SQL parser keeps."""
    step = step_seconds(since, until, at_least)
    seconds = f"TIME_TO_SEC({column})"  # of the day, without fractions; divided by a long step they would be rounded up
    return f"DATE_ADD(CAST({column} AS DATE), INTERVAL ({seconds} - MOD({seconds}, {step})) SECOND)"


def is_whole(column: str, since: str | None, until: str | None, at_least: int = MINUTE) -> str:
    """SQL for whether a column's time lies in a step that is over, and that neither end of the range cuts."""
    step = timedelta(seconds=step_seconds(since, until, at_least))
    begins = datetime.fromisoformat(since) if since else EPOCH
    ends = min(_end(until), _now())
    return f"{column} >= '{begins + (EPOCH - begins) % step}' AND {column} < '{ends - (ends - EPOCH) % step}'"


def _end(until: str | None) -> datetime:
    return datetime.fromisoformat(until) if until else _now()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
