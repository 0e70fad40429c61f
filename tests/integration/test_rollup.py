"""Old rows become rows of hours: each once, whatever is killed and whatever comes late, and until hours grow old."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from mysql.connector import Error

from audit.verify import verify
from local.choice import preferred
from local.stack import Stack
from local.throwaway import throwaway_stack
from producer.faults import Rates
from producer.simulate import Simulation, simulate
from settings import load
from spark_jobs import aggregate, domains, rollup
from spark_jobs.merge import Table
from spark_jobs.sinks.mysql import merge_rows
from stores import coverage, mysql
from stores.hour import HOUR, hour_of
from tests.dashboards import assets, rendered
from tests.integration.database import own_database
from tests.integration.pipeline import CATCH_UP_S, FAULTS, minutes_ago, shop, spark_jobs

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 14, 12, 20, tzinfo=UTC)
EVENTS, RATE = 12_000, 1.2
"""Nearly three hours, which begin and end within one."""
SEED = 20_260_401
DATABASE = "rollup__test"
DOMAIN = load().domain
TABLES = rollup.tables(DOMAIN)
FIRST = hour_of(START)
FILES = assets.read(DOMAIN)


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    simulation = Simulation(DOMAIN, SEED, START, RATE, Rates(0, 0, 0, 0, 0), time(12))
    records = list(simulate(simulation, EVENTS))
    at = pl.Series(
        [datetime.fromtimestamp(record.at_ms / 1000, UTC) for record in records], dtype=pl.Datetime("us", "UTC")
    )
    return domains.judge(DOMAIN).judge([record.value for record in records], at)


@pytest.fixture
def connection(stack: Stack, events: pl.DataFrame) -> Iterator[Any]:
    """To a database in which these events have been merged."""
    domain = stack.settings.domain
    with own_database(stack.settings, DATABASE) as cursor:
        for script in mysql.scripts(domain):
            mysql.run_script(cursor, script)
        mysql.make_views(cursor, domain)
        coverage.begin(cursor, stack.settings, naive(START))
        with mysql.connected(stack.settings, "root", DATABASE) as connection:
            with mysql.transaction(connection) as writing:
                for table in TABLES:
                    merge_rows(writing, *aggregate.rows_of(table, events))
            yield connection


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def at_hour(number: int) -> datetime:
    return naive(FIRST + number * HOUR)


def sums(connection: Any) -> dict[str, tuple]:
    """Table of hours -> the sums of its columns, with what will become of them."""
    found = {}
    for hours in (hours for table in TABLES for hours in table.hours):
        added = ", ".join(f"COALESCE(SUM({name}), 0)" for name in hours.sum)
        columns = ", ".join(hours.sum)
        both = f"SELECT {columns} FROM {hours.name} UNION ALL SELECT {columns} FROM {hours.of}"
        [found[hours.name]] = mysql.query(connection, f"SELECT {added} FROM ({both}) AS both_")
    return found


def count(connection: Any, table: str, condition: str = "TRUE") -> int:
    [(rows,)] = mysql.query(connection, f"SELECT COUNT(*) FROM {table} WHERE {condition}")
    return rows


def test_old_rows_become_hours_and_nothing_is_lost(connection: Any) -> None:
    before = sums(connection)
    assert all(any(row) for row in before.values()), before
    rollup.run(connection, DOMAIN, at_hour(2))
    assert sums(connection) == before
    for table in TABLES:
        assert count(connection, table.name, f"{table.expires_by} < '{at_hour(2)}'") == 0
        assert count(connection, table.name) > 0
        for hours in table.hours:
            rows = mysql.query(connection, f"SELECT DISTINCT minute FROM {hours.name} ORDER BY minute")
            assert [minute for (minute,) in rows] == [at_hour(0), at_hour(1)], hours.name
    reach = mysql.query(connection, "SELECT minutes_from FROM coverage")
    assert reach == [(at_hour(2),)]


@pytest.mark.parametrize("table", [table for table in TABLES if "minute" in table.key], ids=lambda table: table.name)
def test_an_hour_is_what_its_events_make_in_one_step(connection: Any, events: pl.DataFrame, table: Table) -> None:
    """As if the minute in which they occurred were the hour's first."""
    rollup.run(connection, DOMAIN, at_hour(2))
    [hours] = table.hours
    columns = hours.columns
    minutes = table.rows(events).filter(pl.col("minute") < at_hour(2))
    expected = aggregate.combine(table, minutes.with_columns(pl.col("minute").dt.truncate("1h"))).select(columns)
    found = mysql.query(connection, f"SELECT {', '.join(columns)} FROM {hours.name}")
    assert sorted(tuple(map(plain, row)) for row in found) == sorted(expected.rows())


def plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, bytearray) else value


@pytest.mark.parametrize(
    ("view", "by_view", "by_session"),
    [
        ("visits", "SUM(sessions), SUM(bounced), SUM(bought)", "COUNT(*), SUM(events = 1), SUM(orders > 0)"),
        ("visits", "SUM(sessions + viewed + carted + checked_out + paid + bought)", "SUM(furthest_step + 1)"),
        ("entry_pages", "SUM(sessions), SUM(bounced), SUM(bought)", "COUNT(*), SUM(events = 1), SUM(orders > 0)"),
        ("visit_lengths", "SUM(sessions)", "COUNT(*)"),
        (
            "times_to_order",
            "SUM(bought), SUM(seconds_to_order)",
            "SUM(orders > 0), SUM(IF(orders > 0, TIMESTAMPDIFF(SECOND, first_seen, first_order_at), 0))",
        ),
    ],
)
def test_what_sessions_become_has_their_figures(connection: Any, view: str, by_view: str, by_session: str) -> None:
    expected = mysql.query(connection, f"SELECT {by_session} FROM sessions")
    assert all(expected[0])
    assert mysql.query(connection, f"SELECT {by_view} FROM {view}_by_session") == expected


def test_what_comes_late_is_added_to_its_hour(connection: Any, events: pl.DataFrame) -> None:
    rollup.run(connection, DOMAIN, at_hour(3))
    before = sums(connection)
    late = events.head(50)
    with mysql.transaction(connection) as cursor:
        for table in TABLES:
            merge_rows(cursor, *aggregate.rows_of(table, late))
    after = sums(connection)
    assert after["events_by_hour"][0] == before["events_by_hour"][0] + 50
    rollup.run(connection, DOMAIN, at_hour(3))
    assert sums(connection) == after
    assert count(connection, "events_by_minute", f"minute < '{at_hour(3)}'") == 0


DATASETS = [name for name in FILES.datasets if "_by_hour" in assets.dataset(FILES, name).get("sql", "")]
OF_MINUTES = {"newest"}
"""Metrics that are about the rows themselves."""


@pytest.mark.parametrize("name", DATASETS)
def test_dashboards_have_what_became_hours(connection: Any, name: str) -> None:
    """In a range of whole hours each metric is what it was, by all that one can split it by. Those that set rows of a
    result against each other are made of the others."""
    with mysql.transaction(connection) as cursor:
        cursor.execute("UPDATE coverage SET first_commit = %s", (at_hour(0),))
    dataset = assets.dataset(FILES, name)
    ends = at_hour(1).isoformat(), at_hour(2).isoformat()
    metrics = {m["metric_name"]: m["expression"] for m in dataset["metrics"] if " OVER " not in m["expression"]}
    measured = [f"ROUND({sql}, 6)" for metric, sql in metrics.items() if metric not in OF_MINUTES]
    split_by = [column for column in dataset["columns"] if column.get("groupby") and column["type"] == "VARCHAR"]
    assert split_by
    period = ", period" if dataset["main_dttm_col"] == "period" else ""

    def figures() -> list[list[tuple]]:
        found = []
        for column in split_by:
            by = column.get("expression", column["column_name"]) + period
            select = (
                f"SELECT {by}, {', '.join(measured)} FROM ({dataset['sql']}) AS dataset GROUP BY {by} ORDER BY {by}"
            )
            found.append(mysql.query(connection, rendered(select, *ends)))
        return found

    before = figures()
    assert any(before)
    rollup.run(connection, DOMAIN, at_hour(2))
    assert figures() == before


def test_killed_in_between_it_has_done_nothing(connection: Any) -> None:
    before = sums(connection)

    class Killed(BaseException):
        pass

    for table in TABLES:
        with suppress(Killed), mysql.transaction(connection) as cursor:
            rollup.move(cursor, table, at_hour(0))
            raise Killed
    assert sums(connection) == before
    assert not any(count(connection, hours.name) for table in TABLES for hours in table.hours)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_row_comes_between_adding_up_and_deleting(connection: Any, stack: Stack, table: Table) -> None:
    with mysql.connected(stack.settings, "root", DATABASE) as other:
        other.cursor().execute("SET SESSION innodb_lock_wait_timeout = 1")
        with mysql.transaction(connection) as cursor:
            for hours in table.hours:
                condition = f"{table.expires_by} >= %s AND {table.expires_by} < %s"
                cursor.execute(rollup.addition(hours, condition), (at_hour(1), at_hour(1), at_hour(2)))
            another = {table.expires_by: f"'{at_hour(1)}' + INTERVAL 90 SECOND", "session_id": "REPEAT('x', 16)"}
            with pytest.raises(Error, match="Lock wait timeout"):
                other.cursor().execute(
                    f"INSERT INTO {table.name} ({', '.join(table.columns)}) "
                    f"SELECT {', '.join(another.get(name, name) for name in table.columns)} FROM {table.name} "
                    f"WHERE {table.expires_by} >= '{at_hour(2)}' LIMIT 1"
                )


@pytest.fixture(scope="module")
def ages() -> rollup.Ages:
    """As if MYSQL_RETENTION_DAYS were over now; the same for all tests, while the hours go on."""
    now, settings = datetime.now(UTC).replace(tzinfo=None), load()
    return rollup.ages(settings, now + timedelta(days=settings.mysql_retention_days))


@pytest.fixture(scope="module")
def aged(ages: rollup.Ages) -> Iterator[Stack]:
    """A stack of its own, all of whose rows but the last hour's are hours by now; Spark runs."""
    with throwaway_stack(runtime=preferred(load())) as stack:
        stack.start("spark")
        assert shop(stack.settings, SEED, minutes_ago(115), 110, 8000, **FAULTS).wait() == 0
        assert verify(stack.settings, CATCH_UP_S).exact
        rollup.once(stack.settings, ages)
        yield stack


def hours(stack: Stack, statement: str, *values: Any) -> list[tuple]:
    with (
        mysql.connected(stack.settings, "root", stack.settings.domain) as connection,
        mysql.transaction(connection) as cursor,
    ):
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.with_rows else []


def test_verify_goes_by_hours_where_minutes_are_gone(aged: Stack) -> None:
    assert hours(aged, "SELECT COUNT(*) > 0 FROM events_by_hour") == [(1,)]
    for everything in (False, True):
        verdict = verify(aged.settings, CATCH_UP_S, everything)
        assert verdict.exact, verdict.differences


@pytest.mark.parametrize(
    ("table", "column", "everything", "told"),
    [
        ("events_by_hour", "events", False, "events in MySQL's events_by_hour: "),
        ("sales_by_hour", "units", True, "units (sales, items) by two tables: "),
    ],
)
def test_an_hour_that_is_wrong_is_found(aged: Stack, table: str, column: str, everything: bool, told: str) -> None:
    change = f"UPDATE {table} SET {column} = {column} + %s WHERE {column} > 0 ORDER BY minute LIMIT 1"
    hours(aged, change, 1)
    try:
        differences = verify(aged.settings, CATCH_UP_S, everything).differences
        assert any(each.startswith(told) for each in differences), differences
    finally:
        hours(aged, change, -1)
    assert verify(aged.settings, CATCH_UP_S, everything).exact


def test_hours_are_recomputed_as_well(aged: Stack, ages: rollup.Ages) -> None:
    """By a check, and by a rebuild, for which they are young and become minutes again; what is older than the archive
    stays."""
    long_ago = "2026-01-01 10:00:00"
    hours(aged, "INSERT INTO events_by_hour VALUES (%s, 'purchase', 3, 4200)", long_ago)
    sums = "SELECT event_name, SUM(events), SUM(amount) FROM events_by_hour GROUP BY event_name"
    before = hours(aged, sums)
    aged.stop("spark")
    checked = spark_jobs(aged.settings, "rebuild", "--check")
    assert checked.returncode == 0, checked.stdout[-3000:]
    hours(aged, "DELETE FROM events_by_hour WHERE minute > %s", long_ago)
    checked = spark_jobs(aged.settings, "rebuild", "--check")
    assert checked.returncode != 0
    assert "missing in events_by_hour" in checked.stdout
    rebuilt = spark_jobs(aged.settings, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    assert hours(aged, "SELECT minute, events FROM events_by_hour") == [(datetime.fromisoformat(long_ago), 3)]
    aged.start("spark")
    assert verify(aged.settings, CATCH_UP_S, everything=True).exact
    rollup.once(aged.settings, ages)
    assert hours(aged, sums) == before


def test_hours_grow_old_too(aged: Stack, ages: rollup.Ages) -> None:
    rollup.once(aged.settings, ages._replace(hours=ages.minutes))
    assert hours(aged, "SELECT COUNT(*) FROM events_by_hour") == [(0,)]
    assert hours(aged, "SELECT hours_from = minutes_from FROM coverage") == [(1,)]
    assert verify(aged.settings, CATCH_UP_S).exact
