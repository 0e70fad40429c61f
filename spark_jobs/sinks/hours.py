"""MySQL: what rows of minutes are added up into, rows of hours. All in the caller's transaction.

An hour is added up once nothing should come of it any more. What changes it nevertheless keeps the sums right in the
transaction that does: a dead letter that is replayed, a visit that goes on for hours, a range that is recomputed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import polars as pl

from spark_jobs.merge import Hours, Table, as_json, sent
from stores import coverage
from stores.hour import HOUR, hour_of


def begin(cursor: Any, tables: Sequence[Table]) -> None:
    """Of a stack from before hours had minutes beside them: what came late of hours that are hours alone is added to
    them. From then on nothing is left over."""
    cursor.execute("SELECT minutes_from FROM coverage WHERE hours_until IS NULL FOR UPDATE")
    for (minutes_from,) in cursor.fetchall():
        for table in tables:
            older = f"{table.expires_by} < %s"
            for hours in table.hours:
                cursor.execute(addition(table, hours, older), (minutes_from,))
            cursor.execute(f"DELETE FROM {table.name} WHERE {older}", (minutes_from,))  # noqa: S608 - names only
        cursor.execute("UPDATE coverage SET hours_until = minutes_from")


def seal(cursor: Any, tables: Sequence[Table], hour: datetime) -> None:
    """Adds up an hour (its beginning, UTC, naive) of all tables for the first time."""
    # What is added up is locked with the gaps between (REPEATABLE READ): nothing comes in before the transaction ends.
    for table in tables:
        add_up(cursor, table, hour)
    cursor.execute("UPDATE coverage SET hours_until = %s", (hour + HOUR,))


def expire(cursor: Any, tables: Sequence[Table], hour: datetime) -> None:
    """Deletes the minutes of an hour of all tables."""
    for table in tables:
        remove(cursor, table, hour)
    cursor.execute("UPDATE coverage SET minutes_from = %s", (hour + HOUR,))


def add_up(cursor: Any, table: Table, hour: datetime) -> None:
    for hours in table.hours:
        cursor.execute(addition(table, hours, in_hour(table)), (hour, hour + HOUR))


def remove(cursor: Any, table: Table, hour: datetime) -> None:
    # Where an hour has a quarter of all rows, MySQL would rather read the whole table, and lock it against the stream.
    by_index = f"/*+ INDEX({table.name}) */"
    cursor.execute(f"DELETE {by_index} FROM {table.name} WHERE {in_hour(table)}", (hour, hour + HOUR))


def in_hour(table: Table) -> str:
    return f"{table.expires_by} >= %s AND {table.expires_by} < %s"


def addition(table: Table, hours: Hours, condition: str, sign: str = "") -> str:
    """The statement that adds rows up into a table of hours, or with `-` takes them off; its parameters are those of
    the condition."""
    into, time = hours.name, table.expires_by
    values = [
        f"TIMESTAMP(DATE({time}), MAKETIME(HOUR({time}), 0, 0)) AS minute",
        *hours.key,
        *(f"{sign}SUM({name}) AS {name}" for name in hours.sum),
        *(f"MAX({name}) AS {name}" for name in hours.maximum),
    ]
    merged = [
        *(f"{name} = {into}.{name} + new.{name}" for name in hours.sum),
        *(f"{name} = GREATEST({into}.{name}, new.{name})" for name in hours.maximum),
    ]
    return (
        f"INSERT INTO {into} ({', '.join(hours.columns)}) SELECT * FROM (SELECT {', '.join(values)} "  # noqa: S608
        f"FROM {hours.of} WHERE {condition} GROUP BY 1, {', '.join(hours.key)}) AS new "
        f"ON DUPLICATE KEY UPDATE {', '.join(merged)}"
    )


@contextmanager
def kept_right(cursor: Any, merged: Sequence[tuple[Table, pl.DataFrame]]) -> Iterator[None]:
    """Around what merges these rows, or replaces the rows with their keys: hours that were added up are so afterwards.

    Of an hour whose minutes are gone there is afterwards what came, which becomes a part of it.
    """
    reach = coverage.read(cursor, lock=True)
    concerned = [(table, rows) for table, rows in merged if table.hours and rows.height]
    changed = [
        (table, rows.select(table.key))
        for table, rows in concerned
        if not table.of_minutes and (take_off(cursor, table, rows, reach) or is_old(table, rows, reach))
    ]
    yield
    for table, keys in changed:
        put_back(cursor, table, keys, reach)
    for table, rows in concerned:
        if table.of_minutes:
            for hour in {hour_of(at) for at in rows[table.expires_by].unique() if at < reach.hours_until}:
                add_up_again(cursor, table, hour, reach)


def add_up_again(cursor: Any, table: Table, hour: datetime, reach: coverage.Coverage) -> None:
    gone = hour < reach.minutes_from
    for hours in () if gone else table.hours:
        cursor.execute(f"DELETE FROM {hours.name} WHERE minute = %s", (hour,))  # noqa: S608 - a name
    add_up(cursor, table, hour)
    if gone:
        remove(cursor, table, hour)


def is_old(table: Table, rows: pl.DataFrame, reach: coverage.Coverage) -> bool:
    """Whether one of these rows is of an hour that was added up, whatever it is merged with. Of a range that is
    recomputed only keys are known."""
    return table.expires_by not in rows.columns or (rows[table.expires_by] < reach.hours_until).any()


def take_off(cursor: Any, table: Table, rows: pl.DataFrame, reach: coverage.Coverage) -> bool:
    """Takes off what the rows with these keys are to hours that were added up, before they change; False where there is
    none of them, which is nearly always."""
    condition, values = with_keys(table, rows.select(table.key), reach.hours_until)
    cursor.execute(
        f"SELECT MIN({table.expires_by}), MAX({table.expires_by}) FROM {table.name} WHERE {condition}",  # noqa: S608
        values,
    )
    first, last = cursor.fetchone()
    if first is None:
        return False
    for hours in table.hours:
        cursor.execute(addition(table, hours, condition, "-"), values)
        nothing = " AND ".join(f"{name} = 0" for name in hours.sum)
        cursor.execute(
            f"DELETE FROM {hours.name} WHERE minute >= %s AND minute <= %s AND {nothing}",  # noqa: S608 - names only
            (hour_of(first), hour_of(last)),
        )
    return True


def put_back(cursor: Any, table: Table, keys: pl.DataFrame, reach: coverage.Coverage) -> None:
    """Adds what the rows with these keys are by now."""
    condition, values = with_keys(table, keys, reach.hours_until)
    for hours in table.hours:
        cursor.execute(addition(table, hours, condition), values)
    cursor.execute(f"DELETE FROM {table.name} WHERE {condition}", (values[0], reach.minutes_from))  # noqa: S608 - names only


def with_keys(table: Table, keys: pl.DataFrame, before: datetime) -> tuple[str, tuple[str, datetime]]:
    """The condition for rows with these keys, of hours before that time, and its parameters."""
    asked = f"SELECT * FROM ({sent(table.key, keys.schema)}) AS asked"  # noqa: S608 - names only
    return f"({', '.join(table.key)}) IN ({asked}) AND {table.expires_by} < %s", (as_json(keys), before)
