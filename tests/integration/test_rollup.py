"""Hours are added up once nothing can come of them any more, and right whatever is killed and whatever comes
nevertheless; minutes and hours grow old."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any

import polars as pl
import pytest
from mysql.connector import Error

from audit.verify import verify
from local.choice import preferred
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from producer.faults import Rates
from producer.simulate import Simulation, simulate
from settings import load
from spark_jobs import aggregate, domains, rollup
from spark_jobs.merge import Table
from spark_jobs.sinks import hours as sink
from spark_jobs.sinks.mysql import merge_rows
from stores import coverage, mysql
from stores.hour import HOUR, hour_of
from tests.dashboards import assets, grain, rendered
from tests.integration.database import database_of
from tests.integration.pipeline import CATCH_UP_S, FAULTS, minutes_ago, shop, spark_jobs
from tests.unit.events import when_sent

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
    return domains.validator(DOMAIN).validate([record.value for record in records], when_sent(records))


@pytest.fixture
def connection(stack: Stack, events: pl.DataFrame) -> Iterator[Any]:
    """To a database in which these events have been merged."""
    with database_of(stack.settings, DOMAIN, DATABASE) as cursor:
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
    """Table of hours -> the sums of its columns, with what has not been added up yet."""
    found, reach = {}, coverage_of(connection)
    for table in TABLES:
        for hours in table.hours:
            added = ", ".join(f"COALESCE(SUM({name}), 0)" for name in hours.sum)
            columns, since = ", ".join(hours.sum), f"WHERE {table.expires_by} >= '{reach.hours_until}'"
            both = f"SELECT {columns} FROM {hours.name} UNION ALL SELECT {columns} FROM {hours.of} {since}"
            [found[hours.name]] = mysql.query(connection, f"SELECT {added} FROM ({both}) AS both_")
    return found


def coverage_of(connection: Any) -> coverage.Coverage:
    with mysql.transaction(connection) as cursor:
        return coverage.read(cursor)


def count(connection: Any, table: str, condition: str = "TRUE") -> int:
    [(rows,)] = mysql.query(connection, f"SELECT COUNT(*) FROM {table} WHERE {condition}")
    return rows


def recomputed(connection: Any, until: datetime) -> None:
    """Asserts that each table of hours has of the hours up to a time what its rows of minutes add up to."""
    for table in TABLES:
        for hours in table.hours:
            columns = ", ".join(hours.columns)
            has = f"SELECT {columns} FROM {hours.name}"
            with mysql.transaction(connection) as cursor:
                cursor.execute(f"CREATE TEMPORARY TABLE anew LIKE {hours.name}")
                condition = f"{table.expires_by} < %s"
                cursor.execute(sink.addition(table, hours, condition).replace(hours.name, "anew"), (until,))
                cursor.execute(f"({has}) EXCEPT (SELECT {columns} FROM anew)")
                too_many = cursor.fetchall()
                cursor.execute(f"(SELECT {columns} FROM anew) EXCEPT ({has})")
                missing = cursor.fetchall()
                cursor.execute("DROP TEMPORARY TABLE anew")
            assert (hours.name, too_many, missing) == (hours.name, [], [])


def test_hours_are_added_up_and_nothing_is_lost(connection: Any) -> None:
    before = sums(connection)
    assert all(any(row) for row in before.values()), before
    rollup.run(connection, DOMAIN, at_hour(2), at_hour(1))
    assert sums(connection) == before
    for table in TABLES:
        assert count(connection, table.name, f"{table.expires_by} < '{at_hour(1)}'") == 0
        assert count(connection, table.name, f"{table.expires_by} < '{at_hour(2)}'") > 0
        for hours in table.hours:
            rows = mysql.query(connection, f"SELECT DISTINCT minute FROM {hours.name} ORDER BY minute")
            assert [minute for (minute,) in rows] == [at_hour(0), at_hour(1)], hours.name
    assert coverage_of(connection)[1:] == (at_hour(1), at_hour(2))


@pytest.mark.parametrize("table", [table for table in TABLES if table.of_minutes], ids=lambda table: table.name)
def test_an_hour_is_what_its_events_make_in_one_step(connection: Any, events: pl.DataFrame, table: Table) -> None:
    """As if the minute in which they occurred were the hour's first."""
    rollup.run(connection, DOMAIN, at_hour(2), at_hour(2))
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


def merge(connection: Any, events: pl.DataFrame) -> None:
    """As a micro-batch or a replay does."""
    merged = [aggregate.rows_of(table, events) for table in TABLES]
    with mysql.transaction(connection) as cursor, sink.kept_right(cursor, merged):
        for table, rows in merged:
            merge_rows(cursor, table, rows)


def test_what_comes_nevertheless_is_added_to_its_hour(connection: Any, events: pl.DataFrame) -> None:
    """Also to a visit that goes on: its first hour was added up without what is new."""
    rollup.run(connection, DOMAIN, at_hour(3), at_hour(0))
    merge(connection, events.sample(500, seed=SEED))
    assert coverage_of(connection).hours_until == at_hour(3)
    recomputed(connection, at_hour(3))


def test_what_comes_when_minutes_are_gone_becomes_a_part_of_its_hour(connection: Any, events: pl.DataFrame) -> None:
    rollup.run(connection, DOMAIN, at_hour(3), at_hour(3))
    before = sums(connection)
    merge(connection, events.head(50))
    after = sums(connection)
    assert after["events_by_hour"][0] == before["events_by_hour"][0] + 50
    for table in TABLES:
        assert count(connection, table.name, f"{table.expires_by} < '{at_hour(3)}'") == 0


def test_what_was_left_over_in_a_stack_of_before_becomes_a_part_of_its_hour(
    connection: Any, events: pl.DataFrame
) -> None:
    rollup.run(connection, DOMAIN, at_hour(2), at_hour(2))
    [(before,)] = mysql.query(connection, "SELECT SUM(events) FROM events_by_hour")
    with mysql.transaction(connection) as cursor:
        cursor.execute("UPDATE coverage SET hours_until = NULL")
        for table in TABLES:
            merge_rows(cursor, *aggregate.rows_of(table, events.head(50)))
    assert coverage_of(connection).hours_until == at_hour(2)
    for _ in range(2):
        with mysql.transaction(connection) as cursor:
            sink.begin(cursor, TABLES)
        assert mysql.query(connection, "SELECT SUM(events) FROM events_by_hour") == [(before + 50,)]
        for table in TABLES:
            assert count(connection, table.name, f"{table.expires_by} < '{at_hour(2)}'") == 0


def test_what_is_not_added_up_yet_waits_for_its_time(connection: Any, events: pl.DataFrame) -> None:
    rollup.run(connection, DOMAIN, at_hour(1), at_hour(0))
    merge(connection, events.tail(300))
    rollup.run(connection, DOMAIN, at_hour(3), at_hour(0))
    recomputed(connection, at_hour(3))


DATASETS = [name for name in FILES.datasets if "_by_hour" in assets.dataset(FILES, name).get("sql", "")]
OF_MINUTES = {"newest"}
"""Metrics that are about the rows themselves."""


@pytest.mark.parametrize("since", [at_hour(1), at_hour(-5)], ids=["short", "long"])
@pytest.mark.parametrize("name", DATASETS)
def test_dashboards_have_the_same_by_hour(connection: Any, name: str, since: datetime) -> None:
    """In a range of whole hours each metric is what it was, by all that one can split it by, once the hours are added
    up and once their minutes are gone. Those that set rows of a result against each other, or are for each step, are
    made of the others."""
    with mysql.transaction(connection) as cursor:
        cursor.execute("UPDATE coverage SET first_commit = %s", (at_hour(0),))
    dataset = assets.dataset(FILES, name)
    ends = since.isoformat(), at_hour(2).isoformat()
    metrics = {m["metric_name"]: m["expression"] for m in dataset["metrics"]}
    measured = [
        f"ROUND({sql}, 6)"
        for metric, sql in metrics.items()
        if metric not in OF_MINUTES and " OVER " not in sql and "step_seconds" not in sql
    ]
    split_by = [column for column in dataset["columns"] if column.get("groupby") and column["type"] == "VARCHAR"]
    assert split_by
    period = ", period" if dataset["main_dttm_col"] == "period" else ""

    def figures() -> list[list[tuple]]:
        found, reach = [], grain.Reach(*coverage_of(connection)[1:])
        for column in split_by:
            by = column.get("expression", column["column_name"]) + period
            select = (
                f"SELECT {by}, {', '.join(measured)} FROM ({dataset['sql']}) AS dataset GROUP BY {by} ORDER BY {by}"
            )
            found.append(mysql.query(connection, rendered(select, *ends, reach)))
        return found

    before = figures()
    assert any(before)
    for minutes in (at_hour(0), at_hour(2)):
        rollup.run(connection, DOMAIN, at_hour(2), minutes)
        assert figures() == before


@pytest.mark.parametrize("step", [sink.seal, sink.expire])
def test_killed_in_between_it_has_done_nothing(connection: Any, step: rollup.Step) -> None:
    rollup.run(connection, DOMAIN, at_hour(1), at_hour(0))
    before, reach = sums(connection), coverage_of(connection)

    class Killed(BaseException):
        pass

    with suppress(Killed), mysql.transaction(connection) as cursor:
        step(cursor, TABLES, at_hour(1))
        raise Killed
    assert (sums(connection), coverage_of(connection)) == (before, reach)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_row_comes_in_while_an_hour_is_added_up(connection: Any, stack: Stack, table: Table) -> None:
    rollup.run(connection, DOMAIN, at_hour(0), at_hour(0))  # sets the level of isolation
    with mysql.connected(stack.settings, "root", DATABASE) as other:
        other.cursor().execute("SET SESSION innodb_lock_wait_timeout = 1")
        with mysql.transaction(connection) as cursor:
            sink.add_up(cursor, table, at_hour(1))
            another = {table.expires_by: f"'{at_hour(1)}' + INTERVAL 90 SECOND", "session_id": "REPEAT('x', 16)"}
            with pytest.raises(Error, match="Lock wait timeout"):
                other.cursor().execute(
                    f"INSERT INTO {table.name} ({', '.join(table.columns)}) "
                    f"SELECT {', '.join(another.get(name, name) for name in table.columns)} FROM {table.name} "
                    f"WHERE {table.expires_by} >= '{at_hour(2)}' LIMIT 1"
                )


@pytest.mark.parametrize("step", [sink.add_up, sink.remove])
def test_rows_of_other_hours_are_left_to_the_stream(
    connection: Any, stack: Stack, step: Callable[[Any, Table, datetime], None]
) -> None:
    """Although the hour has so many of a young stack's rows that MySQL would rather read all."""
    rollup.run(connection, DOMAIN, at_hour(0), at_hour(0))  # sets the level of isolation
    with mysql.connected(stack.settings, "root", DATABASE) as other:
        for table in TABLES:
            # What MySQL goes by; after changes it looks anew by itself, but some time later.
            mysql.query(connection, f"ANALYZE TABLE {table.name}")
            newest = f"SELECT {', '.join(table.key)} FROM {table.name} ORDER BY {table.expires_by} DESC LIMIT 1"
            [key] = mysql.query(connection, newest)
            same = " AND ".join(f"{name} = %s" for name in table.key)
            with mysql.transaction(connection) as cursor:
                step(cursor, table, at_hour(1))
                locked = f"SELECT 1 FROM {table.name} WHERE {same} FOR UPDATE NOWAIT"
                assert mysql.query(other, locked, key) == [(1,)], table.name


@pytest.fixture(scope="module")
def ages() -> rollup.Ages:
    """As if MYSQL_RETENTION_DAYS were over now; the same for all tests, while the hours go on."""
    hour = hour_of(naive(datetime.now(UTC)))
    return rollup.Ages(hour, hour, hour - timedelta(days=load().mysql_hours_retention_days))


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
    aged.stop("spark")  # which deletes what becomes no hours, and is old
    hours(aged, "INSERT INTO expectations_by_minute VALUES (%s, 'source_is_known', 3, 1)", long_ago)
    sums = "SELECT event_name, SUM(events), SUM(amount) FROM events_by_hour GROUP BY event_name"
    before = hours(aged, sums)
    checked = spark_jobs(aged.settings, "rebuild", "--check")
    assert checked.returncode == 0, checked.stdout[-3000:]
    hours(aged, "DELETE FROM events_by_hour WHERE minute > %s", long_ago)
    checked = spark_jobs(aged.settings, "rebuild", "--check")
    assert checked.returncode != 0
    assert "missing in events_by_hour" in checked.stdout
    rebuilt = spark_jobs(aged.settings, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    first = datetime.fromisoformat(long_ago)
    assert hours(aged, "SELECT minute, events FROM events_by_hour") == [(first, 3)]
    assert hours(aged, "SELECT minute, passed FROM expectations_by_minute ORDER BY minute LIMIT 1") == [(first, 3)]
    aged.start("spark")
    assert verify(aged.settings, CATCH_UP_S, everything=True).exact
    rollup.once(aged.settings, ages)
    assert hours(aged, sums) == before


def test_hours_grow_old_too(aged: Stack, ages: rollup.Ages) -> None:
    rollup.once(aged.settings, ages._replace(hours=ages.minutes))
    assert hours(aged, "SELECT COUNT(*) FROM events_by_hour") == [(0,)]
    assert hours(aged, "SELECT hours_from = minutes_from FROM coverage") == [(1,)]
    assert verify(aged.settings, CATCH_UP_S).exact
