"""Merge rules: how two rows of an aggregate table with the same key become one.

A table's rules are declared once, with the function that makes its rows (`@table(...)`), and used three times: a
worker combines the rows of its slice of a micro-batch, the driver combines the slices, MySQL merges the result into
what it has. Every rule is associative and commutative, so the order of events, slices and batches never matters:
a late event counts in its window, and a recomputation in any order gives the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import polars as pl

Rows = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Hours:
    """A table of hours, into which old rows of another table are added up (spark_jobs/rollup.py).

    It has the columns `minute`, with which the hour begins, `key`, `sum` and `maximum`. `of` is that other table, or a
    view of it, with the same columns: in place of `minute` with the time by which its rows grow old.
    """

    name: str
    of: str
    key: Sequence[str]
    sum: Sequence[str]
    maximum: Sequence[str] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return ("minute", *self.key, *self.sum, *self.maximum)


@dataclass(frozen=True)
class Table:
    """An aggregate table, named like the function `rows` that turns events into its rows.

    - key: the primary key's columns
    - sum, minimum, maximum: columns with that rule
    - first: column -> the column (with the rule minimum) that says when; the value that was first wins,
      the smaller value where both were at the same time, and any before NULL. One that never was (when is NULL) gives
      way to any other
    - last: as first, by a column with the rule maximum: what was last wins, the larger value where both were at the
      same time
    - expires_by: the time (DATETIME, UTC) by which rows grow old
    - hours: the tables of hours into which old rows are added up; without any, old rows are deleted
    - keep_days: rows stay for so many days at least, whatever MYSQL_RETENTION_DAYS says; not where they become hours
    """

    name: str
    rows: Rows
    key: tuple[str, ...]
    sum: tuple[str, ...] = ()
    minimum: tuple[str, ...] = ()
    maximum: tuple[str, ...] = ()
    first: Mapping[str, str] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)
    expires_by: str = "minute"
    hours: tuple[Hours, ...] = ()
    keep_days: int = 0

    @property
    def of_minutes(self) -> bool:
        """Whether a row is made of the events of the minute by which it grows old, and of no others."""
        return self.expires_by in self.key

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, *self.sum, *self.minimum, *self.maximum, *self.first, *self.last)


def table(
    *,
    key: Sequence[str],
    sum: Sequence[str] = (),
    minimum: Sequence[str] = (),
    maximum: Sequence[str] = (),
    first: Mapping[str, str] | None = None,
    last: Mapping[str, str] | None = None,
    expires_by: str = "minute",
    hours: Sequence[Hours] = (),
    by_hour: bool = False,
    keep_days: int = 0,
) -> Callable[[Rows], Table]:
    """Declares the table that a function of events makes the rows of; see `Table`. With `by_hour` rows of
    <stem>_by_minute are added up into rows of <stem>_by_hour, by the same rules: sums and maxima can be."""

    def declare(rows: Rows) -> Table:
        name, into = rows.__name__, tuple(hours)
        for rule, goes_by, needed, there in (("first", first, "minimum", minimum), ("last", last, "maximum", maximum)):
            if wrong := sorted(set((goes_by or {}).values()) - set(there)):
                raise ValueError(f"{name}: {rule} goes by {wrong}, which must have the rule {needed}")
        if by_hour:
            if wrong := [*minimum, *(first or {}), *(last or {})]:
                raise ValueError(f"{name}: {wrong} can't be added up into hours")
            without_time = [column for column in key if column != "minute"]
            into = (Hours(name.replace("_by_minute", "_by_hour"), name, without_time, sum, maximum),)
        if keep_days and into:
            raise ValueError(f"{name}: rows that become hours are all kept for the same time")
        return Table(
            name,
            rows,
            tuple(key),
            tuple(sum),
            tuple(minimum),
            tuple(maximum),
            dict(first or {}),
            dict(last or {}),
            expires_by,
            into,
            keep_days,
        )

    return declare


def combine(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """One row a key, merged by the table's rules, columns in the table's order. Keys come in no particular order.

    Raises polars.exceptions.InvalidOperationError, which names the column, where a sum is beyond 64 bits.
    """
    return rows.group_by(table.key).agg(
        # A sum of 64 bits would begin anew at the other end, without a word.
        *(pl.col(name).cast(pl.Int128).sum().cast(pl.Int64) for name in table.sum),
        *(pl.col(name).min() for name in table.minimum),
        *(pl.col(name).max() for name in table.maximum),
        *(pl.col(name).sort_by(by, name, nulls_last=True).first() for name, by in table.first.items()),
        *(pl.col(name).sort_by(by, name, nulls_last=False).last() for name, by in table.last.items()),
    )


SQL_TYPES = {  # of a column in the JSON that `upsert` takes
    pl.Int64: "BIGINT",
    pl.String: "TEXT",
    pl.Datetime: "DATETIME(6)",
    pl.Binary: "TEXT",  # base64
}


def as_json(rows: pl.DataFrame) -> str:
    """Rows as the parameter of `upsert`: an array of arrays, bytes in base64."""
    return msgspec.json.encode(rows.rows()).decode()


def sent(columns: Sequence[str], schema: Mapping[str, pl.DataType]) -> str:
    """SQL for the rows of its one parameter, `as_json` of these columns."""
    stated = ", ".join(
        f"{name} {SQL_TYPES[schema[name].base_type()]} PATH '$[{at}]' ERROR ON ERROR" for at, name in enumerate(columns)
    )
    values = ", ".join(
        f"FROM_BASE64(sent.{name}) AS {name}" if schema[name] == pl.Binary else f"sent.{name} AS {name}"
        for name in columns
    )
    return f"SELECT {values} FROM JSON_TABLE(%s, '$[*]' COLUMNS ({stated})) AS sent"  # noqa: S608 - names only


def upsert(table: Table, schema: Mapping[str, pl.DataType], into: str | None = None) -> str:
    """The MySQL statement that merges rows with this schema by the table's rules; `into` names another table of the
    same form.

    Its one parameter is `as_json` of the rows, columns in the order of `Table.columns`: a parameter for each value
    takes three times as long.
    """
    old = into or table.name
    # MySQL assigns from left to right, and a column read after its assignment has the new value: what was first must
    # be decided before its time is lowered, and what was last before its time is raised.
    assignments = [
        f"{name} = IF(COALESCE(new.{by} {wins} {old}.{by}, {old}.{by} IS NULL AND new.{by} IS NOT NULL) "
        f"OR (new.{by} <=> {old}.{by} AND COALESCE(new.{name} {wins} {old}.{name}, {old}.{name} IS NULL)), "
        f"new.{name}, {old}.{name})"
        for wins, rule in (("<", table.first), (">", table.last))
        for name, by in rule.items()
    ]
    assignments += [f"{name} = {old}.{name} + new.{name}" for name in table.sum]
    # As in Polars, NULL is no value: MySQL's own LEAST would be NULL where one of the two is.
    for name, chosen in {**dict.fromkeys(table.minimum, "LEAST"), **dict.fromkeys(table.maximum, "GREATEST")}.items():
        both = f"{old}.{name}, new.{name}"
        assignments.append(f"{name} = COALESCE({chosen}({both}), {both})")
    return (
        f"INSERT INTO {old} ({', '.join(table.columns)}) SELECT * FROM ({sent(table.columns, schema)}) AS new "  # noqa: S608
        f"ON DUPLICATE KEY UPDATE {', '.join(assignments)}"
    )
