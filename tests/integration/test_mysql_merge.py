"""MySQL merges as the driver does: whatever the order and the grouping, the same rows."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from local.native.stack import Stack
from spark_jobs import domains
from spark_jobs.merge import combine, table
from spark_jobs.sinks import mysql as mysql_sink
from spark_jobs.sinks.mysql import merge_rows
from stores import mysql

pytestmark = pytest.mark.integration

SESSIONS = next(table for table in domains.tables("ecommerce") if table.name == "sessions")
START = datetime(2026, 3, 14)  # noqa: DTZ001 - naive, as MySQL has it
WORDS = st.sampled_from(["a", "A", "ä", "é ", "e", "Ω", "", "it's", "100%s", "\\", "\0", "😀"])
ROW = st.fixed_dictionaries(
    {
        "session_id": st.sampled_from([bytes(16), b"\xff" * 16, b"'\\\0" + bytes(13)]),
        **{name: st.integers(-(10**12), 10**12) for name in SESSIONS.sum},
        "first_seen": st.integers(0, 2).map(lambda ms: START + timedelta(milliseconds=ms)),
        "last_seen": st.integers(0, 2).map(lambda ms: START + timedelta(milliseconds=ms)),
        "first_order_at": st.none() | st.integers(0, 2).map(lambda ms: START + timedelta(milliseconds=ms)),
        "promoted_at": st.none() | st.integers(0, 2).map(lambda ms: START + timedelta(milliseconds=ms)),
        "furthest_step": st.integers(0, 5),
        "country": st.sampled_from(["DE", "FR"]),
        "device": st.sampled_from(["mobile", "desktop"]),
        "source": WORDS,
        "currency": st.sampled_from(["EUR", "USD"]),
        "experiment": WORDS,
        "variant": WORDS,
        "landing_page": WORDS,
        "promotion": WORDS,
        "was_known": st.integers(0, 1),
    }
)
BESIDE = "sessions__merge_test"


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(ROW, min_size=1, max_size=5), min_size=1, max_size=4))
def test_merging_in_mysql_is_merging_in_the_driver(stack: Stack, batches: list[list[dict]]) -> None:
    frames = [pl.DataFrame(batch, schema=SCHEMA) for batch in batches]
    with mysql.connected(stack.settings, "root", stack.settings.domain) as connection:
        with mysql.transaction(connection) as cursor:
            cursor.execute(f"CREATE TABLE IF NOT EXISTS {BESIDE} LIKE sessions")
            cursor.execute(f"DELETE FROM {BESIDE}")
            for frame in frames:
                merge_rows(cursor, SESSIONS, combine(SESSIONS, frame), into=BESIDE)
        found = mysql.query(connection, f"SELECT {', '.join(SESSIONS.columns)} FROM {BESIDE} ORDER BY session_id")
    expected = combine(SESSIONS, pl.concat(frames)).sort("session_id")
    assert [tuple(map(plain, row)) for row in found] == expected.rows()


@table(key=("id",), minimum=("since",), maximum=("until",), first={"began_as": "since"}, last={"ended_as": "until"})
def spans__test(rows: pl.DataFrame) -> pl.DataFrame:
    return rows


NUMBER = st.none() | st.integers(0, 3)
SPAN = st.fixed_dictionaries({"id": st.integers(0, 1), **dict.fromkeys(spans__test.columns[1:], NUMBER)})


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(SPAN, min_size=1, max_size=4), min_size=1, max_size=4))
def test_what_is_not_known_gives_way(stack: Stack, batches: list[list[dict]]) -> None:
    """Of what was first and last, in MySQL as in the driver."""
    frames = [pl.DataFrame(batch, schema=dict.fromkeys(spans__test.columns, pl.Int64)) for batch in batches]
    columns = ", ".join(f"{name} BIGINT" for name in spans__test.columns)
    with (
        mysql.connected(stack.settings, "root", stack.settings.domain) as connection,
        mysql.transaction(connection) as cursor,
    ):
        cursor.execute(f"CREATE TEMPORARY TABLE spans__test ({columns}, PRIMARY KEY (id))")
        for frame in frames:
            merge_rows(cursor, spans__test, combine(spans__test, frame))
        cursor.execute(f"SELECT {', '.join(spans__test.columns)} FROM spans__test ORDER BY id")
        found = cursor.fetchall()
    assert found == combine(spans__test, pl.concat(frames)).sort("id").rows()


def plain(value: object) -> object:
    return bytes(value) if isinstance(value, bytearray) else value


SCHEMA = {
    "session_id": pl.Binary,
    **dict.fromkeys(SESSIONS.sum, pl.Int64),
    "first_seen": pl.Datetime("us"),
    "last_seen": pl.Datetime("us"),
    "first_order_at": pl.Datetime("us"),
    "promoted_at": pl.Datetime("us"),
    "furthest_step": pl.Int64,
    **dict.fromkeys(SESSIONS.first, pl.String),
    "was_known": pl.Int64,
}


def test_old_rows_go_in_parts_and_the_others_stay(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for once, as when retention is lowered, does not keep the micro-batches waiting."""
    old = mysql_sink.ROWS_PER_DELETE + 1
    numbers = f"WITH RECURSIVE numbers AS (SELECT 0 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < {old})"
    count = "SELECT COUNT(*) FROM expiring__test"
    sink = mysql_sink.MySQLSink(stack.settings)
    with mysql.connected(stack.settings, "root", stack.settings.domain) as connection:
        with mysql.transaction(connection) as cursor:
            cursor.execute("CREATE TABLE expiring__test (minute DATETIME NOT NULL, n INT, KEY (minute))")
            cursor.execute("SET SESSION cte_max_recursion_depth = 1000000")
            young = "IF(n = 0, '2026-03-15', '2026-03-13')"
            cursor.execute(f"INSERT INTO expiring__test {numbers} SELECT {young}, n FROM numbers")
        try:
            monkeypatch.setattr(mysql_sink, "LONGEST_EXPIRY_S", 0.0)
            sink.expire({("expiring__test", "minute"): START})
            assert mysql.query(connection, count) == [(2,)]
            monkeypatch.undo()
            sink.expire({("expiring__test", "minute"): START})
            assert mysql.query(connection, count) == [(1,)]
        finally:
            sink.close()
            with mysql.transaction(connection) as cursor:
                cursor.execute("DROP TABLE expiring__test")
