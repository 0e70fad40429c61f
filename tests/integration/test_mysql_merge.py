"""MySQL merges as the driver does: whatever the order and the grouping, the same rows."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

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


@table(
    key=("symbol",),
    sum=("trades", "quantity"),
    minimum=("low", "first_trade"),
    maximum=("high", "last_trade"),
    first={"open": "first_trade"},
    last={"close": "last_trade"},
)
def candles__test(trades: pl.DataFrame) -> pl.DataFrame:
    price, number = pl.col("price"), pl.col("trade")
    return trades.select(
        "symbol",
        "quantity",
        pl.lit(1, pl.Int64).alias("trades"),
        *(price.alias(name) for name in ("low", "high", "open", "close")),
        *(number.alias(name) for name in ("first_trade", "last_trade")),
    )


TRADE = {"symbol": pl.String, **dict.fromkeys(("trade", "price", "quantity"), pl.Int64)}
TRADES = st.lists(
    st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(["BTC", "ETH"]),
            "trade": st.integers(0, 10**15),
            "price": st.integers(1, 5) | st.integers(1, 10**15),
            "quantity": st.integers(1, 10**15),
        }
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda trade: (trade["symbol"], trade["trade"]),
)


def candle(trades: list[dict]) -> tuple[int, ...]:
    """Open, high, low, close, trades and quantity of one symbol, by a plain loop."""
    first, *others = sorted(trades, key=lambda trade: trade["trade"])
    opened = high = low = close = first["price"]
    count, quantity = 1, first["quantity"]
    for trade in others:
        close = trade["price"]
        high, low = max(high, close), min(low, close)
        count, quantity = count + 1, quantity + trade["quantity"]
    return opened, high, low, close, count, quantity


@examples(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(TRADES, st.randoms(), st.integers(1, 5), st.integers(1, 3))
def test_a_candle_is_that_of_the_trades_in_their_order(
    stack: Stack, trades: list[dict], random: Random, batches: int, slices: int
) -> None:
    """In whatever order they come, in however many batches of however many slices."""
    random.shuffle(trades)
    wanted = ("open", "high", "low", "close", "trades", "quantity")
    columns = ", ".join(f"{name} BIGINT NOT NULL" for name in candles__test.columns[1:])
    with (
        mysql.connected(stack.settings, "root", stack.settings.domain) as connection,
        mysql.transaction(connection) as cursor,
    ):
        cursor.execute(f"CREATE TEMPORARY TABLE candles__test (symbol CHAR(3) PRIMARY KEY, {columns})")
        for batch in (trades[at::batches] for at in range(batches)):
            parts = [pl.DataFrame(batch[at::slices], schema=TRADE) for at in range(slices)]
            combined = [combine(candles__test, candles__test.rows(part)) for part in parts]
            merge_rows(cursor, candles__test, combine(candles__test, pl.concat(combined)))
        cursor.execute(f"SELECT symbol, {', '.join(wanted)} FROM candles__test")
        found = {symbol: tuple(figures) for symbol, *figures in cursor.fetchall()}
    symbols = {trade["symbol"] for trade in trades}
    assert found == {symbol: candle([trade for trade in trades if trade["symbol"] == symbol]) for symbol in symbols}


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
