"""Merge rules: how two rows of an aggregate table with the same key become one.

A table's rules are declared once, with the function that makes its rows (`@table(...)`), and used three times: a
worker combines the rows of its slice of a micro-batch, the driver combines the slices, MySQL merges the result into
what it has. Every rule is associative and commutative, so the order of events, slices and batches never matters:
a late event counts in its window, and a recomputation in any order gives the same table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

Rows = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class Table:
    """An aggregate table, named like the function `rows` that turns events into its rows.

    - key: the primary key's columns
    - sum, minimum, maximum: columns with that rule
    - first: column -> the column (with the rule minimum) that says when; the value that was first wins,
      the smaller value where both were at the same time
    - expires_by: the time (DATETIME, UTC) by which retention deletes old rows
    """

    name: str
    rows: Rows
    key: tuple[str, ...]
    sum: tuple[str, ...] = ()
    minimum: tuple[str, ...] = ()
    maximum: tuple[str, ...] = ()
    first: Mapping[str, str] = field(default_factory=dict)
    expires_by: str = "minute"

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.key, *self.sum, *self.minimum, *self.maximum, *self.first)


def table(
    *,
    key: Sequence[str],
    sum: Sequence[str] = (),
    minimum: Sequence[str] = (),
    maximum: Sequence[str] = (),
    first: Mapping[str, str] | None = None,
    expires_by: str = "minute",
) -> Callable[[Rows], Table]:
    """Declares the table that a function of events makes the rows of; see `Table`."""

    def declare(rows: Rows) -> Table:
        wrong = sorted(set((first or {}).values()) - set(minimum))
        if wrong:
            raise ValueError(f"{rows.__name__}: first goes by {wrong}, which must have the rule minimum")
        return Table(
            rows.__name__, rows, tuple(key), tuple(sum), tuple(minimum), tuple(maximum), dict(first or {}), expires_by
        )

    return declare


def combine(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """One row a key, merged by the table's rules, columns in the table's order. Keys come in no particular order."""
    return rows.group_by(table.key).agg(
        *(pl.col(name).sum() for name in table.sum),
        *(pl.col(name).min() for name in table.minimum),
        *(pl.col(name).max() for name in table.maximum),
        *(pl.col(name).sort_by(by, name).first() for name, by in table.first.items()),
    )


def upsert(table: Table, rows: int, into: str | None = None) -> str:
    """The MySQL statement that merges `rows` rows by the table's rules; its parameters are the rows' values in the
    order of `Table.columns`. `into` names another table of the same form."""
    one = "(" + ", ".join(["%s"] * len(table.columns)) + ")"
    old = into or table.name
    # MySQL assigns from left to right, and a column read after its assignment has the new value: what was first must
    # be decided before its time is lowered.
    assignments = [
        f"{name} = IF(new.{by} < {old}.{by} OR (new.{by} = {old}.{by} AND new.{name} < {old}.{name}), "
        f"new.{name}, {old}.{name})"
        for name, by in table.first.items()
    ]
    assignments += [f"{name} = {old}.{name} + new.{name}" for name in table.sum]
    assignments += [f"{name} = LEAST({old}.{name}, new.{name})" for name in table.minimum]
    assignments += [f"{name} = GREATEST({old}.{name}, new.{name})" for name in table.maximum]
    return (
        f"INSERT INTO {old} ({', '.join(table.columns)}) VALUES {', '.join([one] * rows)} AS new "  # noqa: S608
        f"ON DUPLICATE KEY UPDATE {', '.join(assignments)}"
    )
