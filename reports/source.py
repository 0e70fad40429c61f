"""Where a report's rows come from: MySQL, as the user who may only read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from settings import Settings
from stores import mysql

Rows = list[dict[str, Any]]


class BadChoice(ValueError):  # noqa: N818 - it says what happened
    """What was chosen is not there; the message says what is."""


class Option(NamedTuple):
    """Something to choose; `query` is a SELECT of one column, what there is to choose from."""

    name: str
    default: str
    meaning: str
    query: str


def check(option: Option, value: str, there_are: Sequence[str]) -> None:
    """Raises BadChoice."""
    if value not in there_are:
        listed = ", ".join(there_are) or "none yet"
        raise BadChoice(f"--{option.name} {value!r} is not allowed; there are: {listed}")


def read(
    settings: Settings, options: Sequence[Option], queries: Mapping[str, str], chosen: Mapping[str, str]
) -> dict[str, Rows]:
    """The rows of each query, all as of one moment. Raises BadChoice, Unavailable."""
    with mysql.connected(settings, "reader", settings.domain) as connection, mysql.transaction(connection) as cursor:

        def rows(sql: str) -> Rows:
            cursor.execute(sql, dict(chosen))
            return [dict(zip(cursor.column_names, row, strict=True)) for row in cursor.fetchall()]

        for option in options:
            check(option, chosen[option.name], [value for row in rows(option.query) for value in row.values()])
        return {name: rows(sql) for name, sql in queries.items()}
