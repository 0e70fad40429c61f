"""The market's candles are exact however trades come; bars and indicators in MySQL are what plain definitions give; and
a filter on the pair and the length of bars is taken down to the candles, however much there is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from math import log, sqrt
from random import Random
from statistics import fmean, pstdev, stdev
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from local.native.stack import Stack
from producer.domains.market.candles import past
from producer.domains.market.pairs import PAIRS
from spark_jobs import domains
from spark_jobs.domains.market import candles_by_minute, tickers_by_minute
from spark_jobs.merge import Table, combine
from spark_jobs.sinks.mysql import merge_rows
from tests.integration.database import database_of

pytestmark = pytest.mark.integration

DATABASE = "market__test"
START = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
MINUTES = 3 * 1_440 + 7
"""Up to START there are so many minutes of candles."""
KNOWN = PAIRS[:3]
TRADES_A_MINUTE = 30.0
STEPS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "4h": 14_400, "1d": 86_400}
BARS, SHOWN = 300, 96


@pytest.fixture(scope="module")
def market(stack: Stack) -> Iterator[Any]:
    """A cursor in a database with some days of some pairs."""
    with database_of(stack.settings, "market", DATABASE) as cursor:
        merge_rows(cursor, candles_by_minute, stated())
        yield cursor


def naive(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC).replace(tzinfo=None)


FIRST = int(START.timestamp()) // 60 - MINUTES


def stated() -> pl.DataFrame:
    """Rows of candles that the exchange stated, and of which no trade is known."""
    nothing = dict.fromkeys(candles_by_minute.columns) | dict.fromkeys(candles_by_minute.sum, 0)
    rows = [
        {
            "symbol": pair.symbol,
            "minute": naive(minute),
            "told_at": naive(minute),
            "statement": minute,
            "stated_open_e8": candle.opens,
            "stated_high_e8": candle.high,
            "stated_low_e8": candle.low,
            "stated_close_e8": candle.closes,
            "stated_trades": candle.trades,
            "stated_quote_e8": candle.quote,
            "stated_taker_buy_quote_e8": candle.bought,
        }
        for pair in KNOWN
        for minute in range(FIRST, FIRST + MINUTES)
        for candle in [past(pair, TRADES_A_MINUTE, minute)]
    ]
    return pl.DataFrame([nothing | row for row in rows], schema=ROW)


ROW = {
    name: {"symbol": pl.String, "minute": pl.Datetime("us"), "told_at": pl.Datetime("us")}.get(name, pl.Int64)
    for name in candles_by_minute.columns
}


TRADES = st.lists(
    st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(["BTCUSDT", "ETHUSDT"]),
            "minute": st.integers(0, 1),
            "trade_id": st.integers(0, 9 * 10**15),
            "price_e8": st.integers(1, 5) | st.integers(1, 10**15),
            "quote_e8": st.integers(0, 10**15),
            "taker": st.sampled_from(["buy", "sell", None]),
        }
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda trade: (trade["symbol"], trade["trade_id"]),
)


def made(trades: list[dict]) -> pl.DataFrame:
    """Trades as the validator hands them on."""
    times = [START + timedelta(minutes=trade["minute"], milliseconds=trade["trade_id"] % 60_000) for trade in trades]
    schema = domains.validator("market").schema
    rows = [{name: trade.get(name) for name in schema} | {"event_name": "trade"} for trade in trades]
    return pl.DataFrame(rows, schema=schema).with_columns(pl.Series("occurred_at", times, schema["occurred_at"]))


def candle(trades: list[dict]) -> tuple[int, ...]:
    """Open, high, low, close, number, amount and what takers bought, by a plain loop over sorted trades."""
    first, *others = sorted(trades, key=lambda trade: trade["trade_id"])
    opened = high = low = close = first["price_e8"]
    count, quote = 1, first["quote_e8"]
    bought = quote if first["taker"] == "buy" else 0
    for trade in others:
        close = trade["price_e8"]
        high, low = max(high, close), min(low, close)
        count, quote = count + 1, quote + trade["quote_e8"]
        if trade["taker"] == "buy":
            bought += trade["quote_e8"]
    return opened, high, low, close, count, quote, bought


FIGURES = ("open_e8", "high_e8", "low_e8", "close_e8", "trades", "quote_e8", "taker_buy_quote_e8")


@examples(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trades=TRADES, seed=st.integers(0, 10**6), batches=st.integers(1, 4), slices=st.integers(1, 3))
def test_candles_are_those_of_the_sorted_trades(
    market: Any, trades: list[dict], seed: int, batches: int, slices: int
) -> None:
    """However trades are shuffled, and split into micro-batches and slices, in Polars and in MySQL. Repeats are dropped
    before, by their ids."""
    Random(seed).shuffle(trades)
    table = candles_by_minute
    market.execute("CREATE TEMPORARY TABLE candles_made LIKE candles_by_minute")
    try:
        for batch in (trades[at::batches] for at in range(batches)):
            parts = [combine(table, table.rows(made(batch[at::slices]))) for at in range(slices)]
            merge_rows(market, table, combine(table, pl.concat(parts)), into="candles_made")
        market.execute(f"SELECT symbol, minute, {', '.join(FIGURES)} FROM candles_made")
        found = {(symbol, minute): tuple(figures) for symbol, minute, *figures in market.fetchall()}
    finally:
        market.execute("DROP TEMPORARY TABLE candles_made")
    by_minute: dict[tuple[str, datetime], list[dict]] = {}
    for trade in trades:
        minute = (START + timedelta(minutes=trade["minute"])).replace(tzinfo=None)
        by_minute.setdefault((trade["symbol"], minute), []).append(trade)
    assert found == {key: candle(of_minute) for key, of_minute in by_minute.items()}


def bars_of(symbol: str, step: str) -> list[tuple[datetime, int, int, int, int, int]]:
    """Bars by a plain loop: time, open, high, low, close, turnover; all of 1e-8."""
    [pair] = (pair for pair in KNOWN if pair.symbol == symbol)
    minutes, found = STEPS[step] // 60, {}
    for minute in range(FIRST, FIRST + MINUTES):
        one = past(pair, TRADES_A_MINUTE, minute)
        begins = minute - minute % minutes
        if begins not in found:
            found[begins] = [one.opens, one.high, one.low, one.closes, one.quote]
        else:
            bar = found[begins]
            found[begins] = [
                bar[0], max(bar[1], one.high), min(bar[2], one.low), one.closes, bar[4] + one.quote
            ]  # fmt: skip
    return [(naive(begins), *figures) for begins, figures in found.items()]


pairs_and_steps = pytest.mark.parametrize(
    ("symbol", "step"), [(KNOWN[at % len(KNOWN)].symbol, step) for at, step in enumerate(STEPS)]
)


@pairs_and_steps
def test_bars_are_those_of_their_minutes_exactly(market: Any, symbol: str, step: str) -> None:
    market.execute(
        "SELECT bar, ROUND(open * 1e8), ROUND(high * 1e8), ROUND(low * 1e8), ROUND(close * 1e8), ROUND(turnover * 1e8) "
        "FROM bars WHERE symbol = %s AND step = %s ORDER BY bar",
        (symbol, step),
    )
    found = [(bar, *map(int, figures)) for bar, *figures in market.fetchall()]
    whole = bars_of(symbol, step)
    first = len(whole) - BARS
    # Of the first bar some minutes may be too old.
    assert found[1:] == whole[max(first, 0) :][1:]
    assert len(found) == min(len(whole), BARS)


def ema(values: list[float], length: float) -> list[float]:
    """Exponential average by its recursion; `length` is that of Wilder's where it is given as 2n - 1."""
    weight, found = 2 / (length + 1), [values[0]]
    for value in values[1:]:
        found.append(found[-1] + weight * (value - found[-1]))
    return found


def rolling(values: list[float], length: int, what: Any) -> list[float | None]:
    return [what(values[at + 1 - length : at + 1]) if at + 1 >= length else None for at in range(len(values))]


def indicators_of(closes: list[float], seconds: int) -> dict[str, list[float | None]]:
    """By plain definitions, of all closes that there are."""
    moves = [after - before for before, after in pairwise(closes)]
    returns = [log(after / before) for before, after in pairwise(closes)]
    ups, downs = (ema([max(sign * move, 0.0) for move in moves], 2 * 14 - 1) for sign in (1, -1))
    deviations = rolling(closes, 20, pstdev)
    means = rolling(closes, 20, fmean)
    yearly = sqrt(365 * 86_400 / seconds)
    return {
        "sma_20": means,
        "sma_50": rolling(closes, 50, fmean),
        "ema_12": ema(closes, 12),
        "ema_26": ema(closes, 26),
        "band_upper": [None if mean is None else mean + 2 * d for mean, d in zip(means, deviations, strict=True)],
        "band_lower": [None if mean is None else mean - 2 * d for mean, d in zip(means, deviations, strict=True)],
        "rsi_14": [None, *(100 * up / (up + down) for up, down in zip(ups, downs, strict=True))],
        "volatility_14": [None, *(v and v * yearly for v in rolling(returns, 14, stdev))],
        "volatility_50": [None, *(v and v * yearly for v in rolling(returns, 50, stdev))],
    }


EXACT = 1e-9
WITHIN = {"sma_20": EXACT, "sma_50": EXACT, "band_upper": EXACT, "band_lower": EXACT, "rsi_14": 1e-3}
"""Relative, but for RSI, which is in points; the others 1e-6."""


@pytest.mark.parametrize(("symbol", "step"), [("BTCUSDT", "1m"), ("ETHUSDT", "5m"), ("SOLUSDT", "15m")])
def test_indicators_are_what_plain_definitions_give(market: Any, symbol: str, step: str) -> None:
    """Which know all bars since the beginning."""
    closes = [bar[4] / 1e8 for bar in bars_of(symbol, step)]
    expected = indicators_of(closes, STEPS[step])
    market.execute(
        f"SELECT {', '.join(expected)} FROM shown_indicators WHERE symbol = %s AND step = %s ORDER BY bar",
        (symbol, step),
    )
    rows = market.fetchall()
    assert len(rows) == SHOWN
    for at, name in enumerate(expected):
        within = WITHIN.get(name, 1e-6)
        near = partial(pytest.approx, abs=within, rel=0) if name == "rsi_14" else partial(pytest.approx, rel=within)
        assert [float(row[at]) for row in rows] == near(expected[name][-SHOWN:]), name


def test_what_the_exchange_knows_more_of_counts(market: Any) -> None:
    """A minute is what its trades made, but where the exchange states that there were more of them."""
    pair, minute = KNOWN[0], FIRST + MINUTES - 1
    whole, at = past(pair, TRADES_A_MINUTE, minute), naive(minute)
    for trades, own in ((whole.trades, True), (whole.trades - 1, False)):
        market.execute("START TRANSACTION")
        try:
            row = dict.fromkeys(ROW) | {"symbol": pair.symbol, "minute": at, "told_at": at, "trades": trades}
            row |= dict.fromkeys(("quote_e8", "taker_buy_quote_e8", "low_e8", "high_e8", "open_e8", "close_e8"), 7)
            row |= {"first_trade": 1, "last_trade": 9}
            merge_rows(market, candles_by_minute, pl.DataFrame([row], schema=ROW))
            market.execute("SELECT close_e8, trades FROM candles WHERE symbol = %s AND minute = %s", (pair.symbol, at))
            assert market.fetchall() == [(7, trades) if own else (whole.closes, whole.trades)]
        finally:
            market.execute("ROLLBACK")


@pytest.mark.parametrize("view", ["bars", "indicators", "shown_indicators", "candle_points"])
def test_a_filter_goes_down_to_the_candles(market: Any, view: str) -> None:
    """Else the windows of a whole market would be computed, which takes seconds."""
    market.execute(f"EXPLAIN FORMAT=TREE SELECT * FROM {view} WHERE symbol = 'BTCUSDT' AND step = '5m'")
    [(plan,)] = market.fetchall()
    [reads] = [line for line in plan.splitlines() if " on candles_by_minute using " in line and "newest" not in line]
    assert "symbol = 'BTCUSDT'" in reads, plan


def test_the_newest_statement_of_a_minute_counts_as_a_whole(market: Any) -> None:
    """Whatever the order in which statements come."""
    table: Table = tickers_by_minute
    rows = pl.DataFrame(
        [
            {"symbol": "BTCUSDT", "minute": naive(FIRST), "statement": at, "stated_at": naive(FIRST)}
            | {name: at * 10 + place for place, name in enumerate(table.last)}
            for at in (3, 1, 2)
        ]
    ).select(table.columns)
    market.execute("START TRANSACTION")
    try:
        for row in rows.iter_slices(1):
            merge_rows(market, table, row)
        market.execute(f"SELECT statement, {', '.join(table.last)} FROM tickers_by_minute")
        assert market.fetchall() == [(3, *(30 + place for place in range(len(table.last))))]
    finally:
        market.execute("ROLLBACK")
