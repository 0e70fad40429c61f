"""Every domain's tables in MySQL, and the pipeline's, are what the functions need that make their rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import polars as pl
import pytest

import contracts
from audit import aggregated
from local.native.stack import Stack
from settings import DOMAINS, ROOT
from spark_jobs import aggregate, domains, pipeline_tables, query_progress, rollup
from spark_jobs.dedup import REPEAT
from spark_jobs.lag import Lag
from spark_jobs.merge import Hours, Table, combine
from spark_jobs.pipeline_tables import SAMPLE_LENGTH
from spark_jobs.query_progress import PHASES, Report
from spark_jobs.seen import CONFLICT, COPY
from spark_jobs.sinks.hours import add_up, remove
from spark_jobs.sinks.mysql import SEEN_IDS, SEEN_KEYS, merge_rows, replace_rows
from stores import mysql
from stores.hour import HOUR
from tests.dashboards import sources
from tests.integration.database import database_of, undone
from tests.longest_texts import with_longest_texts
from tests.unit.events import validated

pytestmark = pytest.mark.integration

PIPELINE = tuple(
    table
    for module in (pipeline_tables, query_progress)
    for table in vars(module).values()
    if isinstance(table, Table) and table is not pipeline_tables.arrivals
)
"""Its tables that are merged into. What `arrivals` makes is no table in MySQL."""
REPLACED = {"reject_samples_by_minute": set(), "queries": {"lag_records", "lag_ms", "looked_at"}}
"""Tables in which rows that a function makes take the place of others -> the columns that are written on their own."""
BY_STATEMENT = {
    "batches": "spark_jobs/sinks/mysql.py",
    "checkpoints": "spark_jobs/sinks/mysql.py",
    "coverage": "stores/coverage.py",
    "expectations": "spark_jobs/sinks/mysql.py",
    "replays_under_way": "spark_jobs/replay.py",
    "seen_business_keys": "spark_jobs/sinks/mysql.py",
    "seen_ids": "spark_jobs/sinks/mysql.py",
}
"""The pipeline's other tables -> where the statements are that write them."""
INTEGERS = ("tinyint", "smallint", "int", "bigint")
TYPES = {
    pl.Int32: INTEGERS,
    pl.Int64: INTEGERS,
    pl.String: ("char", "varchar", "text"),
    pl.Datetime: ("datetime",),
    pl.Binary: ("binary",),
}
"""Of a column of rows -> of MySQL's. Whether each value fits is told by merging some."""
PARTS = 3


class Column(NamedTuple):
    """A column that is stored, as MySQL has it; `length` in characters, of text."""

    type: str
    length: int | None
    nullable: bool

    def holds(self, other: Column) -> bool:
        """Whether it can hold whatever the other one can."""
        if self.type in INTEGERS:
            return other.type in INTEGERS and INTEGERS.index(self.type) >= INTEGERS.index(other.type)
        return self.type == other.type and (self.length or 0) >= (other.length or 0)


@dataclass(frozen=True)
class Database:
    """A domain's, with all tables and views empty."""

    cursor: Any
    domain: str
    columns: dict[str, dict[str, Column]]
    """Table or view -> its stored columns, in order."""
    keys: dict[str, tuple[str, ...]]
    """Table -> the columns of its primary key, in order."""
    views: dict[str, str]
    """View -> its SELECT."""

    def file(self, table: str) -> str:
        """Where it is to be found."""
        stems = (self.domain, "pipeline")
        return next((f"mysql/{s}.sql" for s in stems if f" {table} " in mysql.script_of(s).read_text()), "mysql")


def columns_of(cursor: Any) -> dict[str, dict[str, Column]]:
    cursor.execute(
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable = 'YES' "
        "FROM information_schema.columns WHERE table_schema = DATABASE() AND generation_expression = '' "
        "ORDER BY table_name, ordinal_position"
    )
    found: dict[str, dict[str, Column]] = {}
    for table, name, *column in cursor.fetchall():
        found.setdefault(table, {})[name] = Column(*column)
    return found


def keys_of(cursor: Any) -> dict[str, tuple[str, ...]]:
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.statistics "
        "WHERE table_schema = DATABASE() AND index_name = 'PRIMARY' ORDER BY table_name, seq_in_index"
    )
    found: dict[str, tuple[str, ...]] = {}
    for table, name in cursor.fetchall():
        found[table] = (*found.get(table, ()), name)
    return found


def views_of(cursor: Any) -> dict[str, str]:
    cursor.execute("SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE()")
    return dict(cursor.fetchall())


@pytest.fixture(scope="module")
def databases(stack: Stack) -> Iterator[dict[str, Database]]:
    with ExitStack() as made:
        found = {}
        for domain in DOMAINS:
            cursor = made.enter_context(database_of(stack.settings, domain, f"{domain}__tables"))
            found[domain] = Database(cursor, domain, columns_of(cursor), keys_of(cursor), views_of(cursor))
        yield found


def tables(domain: str) -> tuple[Table, ...]:
    return (*aggregate.domain_tables(domain), *PIPELINE)


@cache
def rows(domain: str) -> dict[str, pl.DataFrame]:
    """Table -> rows that its function makes, not yet combined: of a domain's records, and of such with long texts."""
    contract, records = contracts.load(domain), validated(domain)
    good, bad = records.filter(pl.col("reject").is_null()), records.filter(pl.col("reject").is_not_null())
    long = with_longest_texts(contract, good)
    # Times to the microsecond: MySQL would round what it can't keep.
    long = long.with_columns(pl.col("occurred_at", "appended_at") + pl.duration(microseconds=1_501))
    events = pl.concat([good, long])
    reasons = pl.DataFrame({"reject": [f"expectation:{e.name}" for e in contract.expectations if e.action == "drop"]})
    rejected = pl.concat([bad, bad.head(1).drop("reject").join(reasons, how="cross").select(bad.columns)])
    rejected = rejected.with_columns(
        pl.lit(7, pl.Int32).alias("partition"),
        pl.int_range(pl.len(), dtype=pl.Int64).alias("offset"),
        pl.lit("\N{GRINNING FACE}" * SAMPLE_LENGTH).alias("sample"),
    )
    outcomes = pl.DataFrame({"outcome": [COPY, CONFLICT, REPEAT]})
    arrived = combine(pipeline_tables.arrivals, pipeline_tables.arrivals.rows(events))
    committed_at = good["appended_at"].max().replace(tzinfo=None) + timedelta(seconds=1)
    reports = [
        Report(domain, query, "0" * 36, 7, committed_at, 10**6, 10**4, dict.fromkeys(PHASES, 10**3), {0: 9})
        for query in ("archive", "aggregate")
    ]
    lags = {report.query: Lag(10**6, 10**4) for report in reports}
    return {
        **{table.name: table.rows(events) for table in aggregate.domain_tables(domain)},
        "rejects_by_minute": pipeline_tables.rejects_by_minute.rows(rejected),
        "duplicates_by_minute": pipeline_tables.duplicates_by_minute.rows(events.join(outcomes, how="cross")),
        "lateness_by_minute": pipeline_tables.lateness_by_minute.rows(events),
        "latency_by_minute": pipeline_tables.latencies(arrived, committed_at),
        "progress_by_minute": query_progress.rows_of(reports, lags, committed_at),
        "reject_samples_by_minute": pipeline_tables.reject_samples_by_minute(rejected, f"{domain}.events"),
        "queries": query_progress.last_batches(reports),
    }


def each(*others: str) -> pytest.MarkDecorator:
    """Parametrises a test over the tables of every domain that are merged into, and others."""
    cases = [(domain, name) for domain in DOMAINS for name in (*(of.name for of in tables(domain)), *others)]
    return pytest.mark.parametrize(("domain", "name"), cases, ids=map(": ".join, cases))


def table(domain: str, name: str) -> Table:
    return next(table for table in tables(domain) if table.name == name)


@each(*REPLACED)
def test_a_table_has_the_columns_of_its_rows(databases: dict[str, Database], domain: str, name: str) -> None:
    made = set(rows(domain)[name].columns) | REPLACED.get(name, set())
    stored = set(databases[domain].columns.get(name, {}))
    assert stored == made, f"{databases[domain].file(name)}: {name}"


@each()
def test_a_primary_key_is_the_key_of_the_table(databases: dict[str, Database], domain: str, name: str) -> None:
    """In its order, too: rows are merged in that of the primary key."""
    key = databases[domain].keys.get(name)
    assert key == table(domain, name).key, f"{databases[domain].file(name)}: {name}"


@each(*REPLACED)
def test_a_column_has_the_type_of_its_values(databases: dict[str, Database], domain: str, name: str) -> None:
    kinds, columns = rows(domain)[name].schema, databases[domain].columns[name]
    types = {column: (kind, columns[column].type) for column, kind in kinds.items()}
    wrong = {column: pair for column, pair in types.items() if pair[1] not in TYPES[pair[0].base_type()]}
    assert wrong == {}, f"{databases[domain].file(name)}: {name}"


@each()
def test_a_column_can_be_merged_by_its_rule(databases: dict[str, Database], domain: str, name: str) -> None:
    """Sums grow, and with NULL one would stay NULL. Others may be unknown yet."""
    of, columns = table(domain, name), databases[domain].columns[name]
    combined = combine(of, rows(domain)[name])
    small = {column for column in of.sum if columns[column].type != "bigint"}
    nullable = {column for column in of.columns if columns[column].nullable}
    unknown = {column for column in of.columns if combined[column].null_count()}
    file = databases[domain].file(name)
    assert small == set(), f"{file}: {name}: sums that are no BIGINT"
    assert nullable <= {*of.minimum, *of.maximum, *of.first, *of.last}, f"{file}: {name}: NULL"
    assert unknown <= nullable, f"{file}: {name}: NOT NULL"


@each(*REPLACED)
def test_a_column_has_room_for_the_longest_text(databases: dict[str, Database], domain: str, name: str) -> None:
    """Of those that the contract allows, as the function makes them."""
    made, columns = rows(domain)[name], databases[domain].columns[name]
    texts = [column for column, kind in made.schema.items() if kind == pl.String]
    room = {column: (made[column].str.len_chars().max() or 0, columns[column].length or 0) for column in texts}
    short = {column: (needed, there) for column, (needed, there) in room.items() if needed > there}
    assert short == {}, f"{databases[domain].file(name)}: {name}: characters needed, and there are"


@each()
def test_rows_merged_in_parts_are_there_as_a_whole(databases: dict[str, Database], domain: str, name: str) -> None:
    of, made, cursor = table(domain, name), rows(domain)[name], databases[domain].cursor
    with undone(cursor):
        for part in range(PARTS):
            merge_rows(cursor, of, combine(of, made.gather_every(PARTS, part)))
        cursor.execute(f"SELECT {', '.join(of.columns)} FROM {name}")
        found = [tuple(map(plain, row)) for row in cursor.fetchall()]
    assert in_order(found, of) == in_order(combine(of, made).rows(), of), f"{databases[domain].file(name)}: {name}"


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("name", REPLACED)
def test_rows_that_take_the_place_of_others_are_there(databases: dict[str, Database], domain: str, name: str) -> None:
    made, cursor = rows(domain)[name], databases[domain].cursor
    with undone(cursor):
        replace_rows(cursor, name, made)
        cursor.execute(f"SELECT {', '.join(made.columns)} FROM {name}")
        found = cursor.fetchall()
    assert sorted(found) == sorted(made.rows()), f"{databases[domain].file(name)}: {name}"


def plain(value: object) -> object:
    return bytes(value) if isinstance(value, bytearray) else value


def in_order(found: list[tuple], of: Table) -> list[tuple]:
    return sorted(found, key=lambda row: row[: len(of.key)])


HOURS = [
    pytest.param(domain, of, hours, id=f"{domain}: {hours.name}")
    for domain in DOMAINS
    for of in rollup.tables(domain)
    for hours in of.hours
]


@pytest.mark.parametrize(("domain", "of", "hours"), HOURS)
def test_hours_have_the_columns_of_what_they_are_added_up_from(
    databases: dict[str, Database], domain: str, of: Table, hours: Hours
) -> None:
    database = databases[domain]
    file = f"{database.file(hours.name)}: {hours.name}"
    columns, old = database.columns.get(hours.name, {}), database.columns.get(hours.of, {})
    assert set(columns) == set(hours.columns), file
    assert database.keys[hours.name] == ("minute", *hours.key), file
    added_up = {of.expires_by if name == "minute" else name for name in columns}
    assert added_up <= set(old) <= added_up | set(of.key), f"{file}, {hours.of}"
    narrow = {name for name in (*hours.key, *hours.maximum) if not columns[name].holds(old[name])}
    assert narrow == set(), f"{file}: less than {hours.of} has"
    assert {name for name in hours.sum if columns[name].type != "bigint"} == set(), f"{file}: sums that are no BIGINT"
    assert not any(column.nullable for column in columns.values()), f"{file}: NULL"


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_grows_old_is_found_by_an_index(databases: dict[str, Database], domain: str) -> None:
    """One that begins with the time by which it does: else each look for old rows would read all."""
    cursor = databases[domain].cursor
    cursor.execute(
        "SELECT table_name, column_name FROM information_schema.statistics "
        "WHERE table_schema = DATABASE() AND seq_in_index = 1"
    )
    expire = {(of.name, of.expires_by) for of in aggregate.domain_tables(domain)}
    expire |= {(hours.name, "minute") for hours in rollup.tables_of_hours(domain)}
    expire |= {*aggregate.HISTORY.items(), (SEEN_IDS, "minute"), (SEEN_KEYS, "minute")}
    assert expire - set(cursor.fetchall()) == set(), f"mysql/{domain}.sql, mysql/pipeline.sql: no index begins with it"


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_table_has_a_writer(databases: dict[str, Database], domain: str) -> None:
    """Or is filled where it is made."""
    hours = {hours.name for hours in rollup.tables_of_hours(domain)}
    filled = set(re.findall(r"^INSERT INTO (\w+)", mysql.script_of(domain).read_text(), re.MULTILINE))
    written = {of.name for of in tables(domain)} | hours | filled | REPLACED.keys() | BY_STATEMENT.keys()
    assert set(databases[domain].keys) == written, f"mysql/{domain}.sql, mysql/pipeline.sql: not what is written"
    for name, file in BY_STATEMENT.items():
        assert re.search(rf"\b{name}\b", (ROOT / file).read_text()), f"{file} does not write {name}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_view_has_a_reader(databases: dict[str, Database], domain: str) -> None:
    """A dataset, an alert, another view, or the table of hours that is filled from it."""
    views = databases[domain].views
    read = [*sources(domain), *(hours.of for hours in rollup.tables_of_hours(domain))]
    unread = {
        name
        for name in views
        if not any(re.search(rf"\b{name}\b", sql) for sql in (*read, *(sql for v, sql in views.items() if v != name)))
    }
    assert unread == set(), f"mysql/{domain}.views.sql, mysql/pipeline.views.sql: views that nothing reads"


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_verify_compares_is_equal_by_minute_and_by_hour(databases: dict[str, Database], domain: str) -> None:
    cursor, good = databases[domain].cursor, validated(domain).filter(pl.col("reject").is_null())
    made = [(of, combine(of, of.rows(good))) for of in domains.tables(domain)]
    first = good["occurred_at"].min().replace(minute=0, second=0, microsecond=0)
    span = (first, good["occurred_at"].max() + HOUR)
    with undone(cursor):
        for of, combined in made:
            merge_rows(cursor, of, combined)
        by_minute = list(aggregated.pairs(cursor, domain, span))
        for of, combined in made:
            for hour in combined[of.expires_by].dt.truncate("1h").unique() if of.hours else ():
                add_up(cursor, of, hour)
                remove(cursor, of, hour)
        by_hour = list(aggregated.pairs(cursor, domain, span, by_hour=True))
    assert [name for name, one, other in by_minute + by_hour if one != other] == [], f"mysql/{domain}.checks.yaml"
    assert [name for name, one, _ in by_minute if not one] == [], f"mysql/{domain}.checks.yaml: nothing to compare"
    hours = {hours.name for hours in rollup.tables_of_hours(domain)}
    whole = {
        name: total
        for name, total in totals(by_minute).items()
        if {f"{stem}_by_hour" for stem in aggregated.checks(domain)[name.partition(" (")[0]]} <= hours
    }
    assert totals(by_hour) == whole


def totals(pairs: list[tuple[str, dict[datetime, int], dict[datetime, int]]]) -> dict[str, int]:
    return {name: int(sum(one.values())) for name, one, _ in pairs}
