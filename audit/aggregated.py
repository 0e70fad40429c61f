"""What MySQL's tables have, by minute and by hour. All is read by one cursor in one transaction: hours are added up and
minutes go meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import yaml

from settings import ROOT
from stores import coverage
from stores.coverage import Coverage
from stores.proven_hours import ByMinute

Span = tuple[datetime, datetime]
"""From when and up to when (UTC)."""


def reach(cursor: Any) -> Coverage:
    """How far back the tables go, in UTC."""
    return Coverage(*(moment.replace(tzinfo=UTC) for moment in coverage.read(cursor)))


def table(stem: str, by_hour: bool) -> str:
    return f"{stem}_by_{'hour' if by_hour else 'minute'}"


def rows(stem: str, columns: str, span: Span, by_hour: bool) -> tuple[str, tuple[datetime, ...]]:
    """SQL for the rows of a span, with their time as `at`, and the values of its parameters."""
    name = table(stem, by_hour)
    of_span = f"SELECT minute AS at, {columns} FROM {name} WHERE minute >= %s AND minute < %s"  # noqa: S608 - names only
    return of_span, tuple(moment.replace(tzinfo=None) for moment in span)


def events(cursor: Any, span: Span, by_hour: bool = False) -> ByMinute:
    """(minute or hour, event name) -> (events, amount)."""
    of_span, values = rows("events", "event_name, events, amount", span, by_hour)
    statement = f"SELECT at, event_name, SUM(events), SUM(amount) FROM ({of_span}) AS found GROUP BY at, event_name"  # noqa: S608
    cursor.execute(statement, values)
    return {
        (at.replace(tzinfo=UTC), name): (int(events), int(amount)) for at, name, events, amount in cursor.fetchall()
    }


def checks(domain: str) -> dict[str, dict[str, str]]:
    """What must be the same in several tables of a domain, minute by minute, as each is merged on its own: its name ->
    stem of the table -> SQL. From mysql/<domain>.checks.yaml."""
    path = ROOT / "mysql" / f"{domain}.checks.yaml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def pairs(
    cursor: Any, domain: str, span: Span, by_hour: bool = False
) -> Iterator[tuple[str, dict[datetime, int], dict[datetime, int]]]:
    """What must be equal in two tables: its name, and what each of them has by minute, or by hour where they have
    hours."""
    equal = checks(domain)
    if by_hour:  # by minute there must be each of them
        cursor.execute("SHOW TABLES")
        there = {name for (name,) in cursor.fetchall()}
        equal = {
            name: {stem: sql for stem, sql in tables.items() if table(stem, by_hour) in there}
            for name, tables in equal.items()
        }
    figures: dict[str, dict[str, str]] = {}
    for name, tables in equal.items():
        for stem, sql in tables.items():
            figures.setdefault(stem, {})[name] = sql
    found = {stem: sums(cursor, stem, names, span, by_hour) for stem, names in figures.items()}
    for name, tables in equal.items():
        for one, other in pairwise(tables):
            yield f"{name} ({one}, {other})", found[one][name], found[other][name]


def sums(cursor: Any, stem: str, names: Mapping[str, str], span: Span, by_hour: bool) -> dict[str, dict[datetime, int]]:
    """A table's figures (name -> SQL): name -> value by minute or hour, without those in which it is 0."""
    columns = ", ".join(f"{sql} AS `{name}`" for name, sql in names.items())
    of_span, values = rows(stem, columns, span, by_hour)
    selected = ", ".join(f"SUM(`{name}`)" for name in names)
    cursor.execute(f"SELECT at, {selected} FROM ({of_span}) AS found GROUP BY at", values)  # noqa: S608
    found = cursor.fetchall()
    return {name: {row[0]: row[at] for row in found if row[at]} for at, name in enumerate(names, start=1)}
