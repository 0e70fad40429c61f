"""What MySQL's tables have: by minute as far back as they keep minutes, by hour before that.

Rows become hours one table after the other (spark_jobs/rollup.py), and what comes late is merged by the minute first:
what there is of an old hour is the sum of both. All is read by one cursor in one transaction: rows move meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from stores import coverage
from stores.coverage import Coverage
from stores.proven_hours import ByMinute

FIGURES = {  # of each table what others have as well: name -> SQL
    "events": {
        "events": "events",
        "orders": "IF(event_name = 'purchase', events, 0)",
        "revenue": "revenue_cents",
    },
    "sales": {
        "events": "events",
        "orders": "orders",
        "revenue": "revenue_cents",
        "whole orders": "order_value_cents",
        "units": "units",
    },
    "items": {"revenue": "revenue_cents", "units": "units"},
}
EQUAL = {  # each table is merged on its own, so each must have the same sums
    "events": (("events", "events"), ("sales", "events")),
    "orders": (("events", "orders"), ("sales", "orders")),
    "revenue": (("events", "revenue"), ("sales", "revenue")),
    "whole orders": (("sales", "revenue"), ("sales", "whole orders")),
    "units": (("sales", "units"), ("items", "units")),
    "revenue by item": (("sales", "revenue"), ("items", "revenue")),
}
Span = tuple[datetime, datetime]
"""From when and up to when (UTC)."""


def reach(cursor: Any) -> Coverage:
    """How far back the tables go, in UTC."""
    return Coverage(*(moment.replace(tzinfo=UTC) for moment in coverage.read(cursor)))


def rows(stem: str, columns: str, span: Span, by_hour: bool) -> tuple[str, tuple[datetime, ...]]:
    """SQL for the rows of a span, with their time as `at`: those of <stem>_by_minute, or those of <stem>_by_hour and,
    as hours, what is in <stem>_by_minute still. With the values of its parameters."""
    in_span, values = "WHERE minute >= %s AND minute < %s", tuple(moment.replace(tzinfo=None) for moment in span)
    time = "minute - INTERVAL MINUTE(minute) MINUTE" if by_hour else "minute"
    minutes = f"SELECT {time} AS at, {columns} FROM {stem}_by_minute {in_span}"  # noqa: S608 - names only, as below
    if not by_hour:
        return minutes, values
    return f"{minutes} UNION ALL SELECT minute, {columns} FROM {stem}_by_hour {in_span}", values * 2  # noqa: S608


def events(cursor: Any, span: Span, by_hour: bool = False) -> ByMinute:
    """(minute or hour, event name) -> (events, revenue in cents)."""
    of_span, values = rows("events", "event_name, events, revenue_cents", span, by_hour)
    statement = (
        f"SELECT at, event_name, SUM(events), SUM(revenue_cents) FROM ({of_span}) AS found GROUP BY at, event_name"  # noqa: S608
    )
    cursor.execute(statement, values)
    return {(at.replace(tzinfo=UTC), name): (int(number), int(cents)) for at, name, number, cents in cursor.fetchall()}


def pairs(
    cursor: Any, span: Span, by_hour: bool = False
) -> Iterator[tuple[str, dict[datetime, int], dict[datetime, int]]]:
    """What must be equal in two tables: its name, and what each of them has by minute or hour."""
    found = {stem: sums(cursor, stem, span, by_hour) for stem in FIGURES}
    for name, ((one, figure), (other, its)) in EQUAL.items():
        yield name, found[one][figure], found[other][its]


def sums(cursor: Any, stem: str, span: Span, by_hour: bool) -> dict[str, dict[datetime, int]]:
    """A table's figures: name -> value by minute or hour, without those in which it is 0."""
    names = FIGURES[stem]
    columns = ", ".join(f"{sql} AS `{name}`" for name, sql in names.items())
    of_span, values = rows(stem, columns, span, by_hour)
    selected = ", ".join(f"SUM(`{name}`)" for name in names)
    cursor.execute(f"SELECT at, {selected} FROM ({of_span}) AS found GROUP BY at", values)  # noqa: S608
    found = cursor.fetchall()
    return {name: {row[0]: row[at] for row in found if row[at]} for at, name in enumerate(names, start=1)}
