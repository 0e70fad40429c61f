"""The market: events -> rows of the tables in mysql/market.sql, which says what every column means.

Within a pair the trades' numbers rise with time, and no two have the same: they say what was first and what was last.
Of what is stated again and again, tickers and candles, the newest statement counts as a whole.
"""

from __future__ import annotations

import polars as pl

from spark_jobs.merge import table
from spark_jobs.pipeline_tables import minute_of

COLUMNS = (
    "event_id",
    "event_name",
    "occurred_at",
    "symbol",
    "trade_id",
    "price_e8",
    "quote_e8",
    "taker",
    "opened_at",
    "open_e8",
    "high_e8",
    "low_e8",
    "close_e8",
    "trades",
    "quote_volume_e8",
    "taker_buy_quote_e8",
    "change_e8",
    "change_percent_e3",
)
KEEP_DAYS = 30
ORDER_OF_ONE_TIME_BITS = 16


def _of(name: str, events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(pl.col("event_name") == name)


def _statement() -> pl.Expr:
    """An order of statements in which no two are alike: by time, and at one time by their ids."""
    of_one_time = pl.col("event_id").bin.slice(0, ORDER_OF_ONE_TIME_BITS // 8)
    number = of_one_time.bin.reinterpret(dtype=pl.UInt16(), endianness="big").cast(pl.Int64)
    return (pl.col("occurred_at").dt.epoch("ms") * 2**ORDER_OF_ONE_TIME_BITS + number).alias("statement")


def _time(column: str) -> pl.Expr:
    """A time as MySQL has it: naive, UTC, to the millisecond."""
    return pl.col(column).dt.truncate("1ms").dt.replace_time_zone(None)


STATED = ("open_e8", "high_e8", "low_e8", "close_e8", "trades", "quote_e8")
"""What is stated of a time, by a kline as by a ticker."""
OF_TICKERS = {name: name for name in (*STATED, "change_e8", "change_percent_e3")}
OF_KLINES = {f"stated_{name}": name for name in (*STATED, "taker_buy_quote_e8")}


@table(
    key=("symbol", "minute"),
    sum=("trades", "quote_e8", "taker_buy_quote_e8"),
    minimum=("low_e8", "first_trade"),
    maximum=("high_e8", "last_trade", "statement", "told_at"),
    first={"open_e8": "first_trade"},
    last={"close_e8": "last_trade"} | dict.fromkeys(OF_KLINES, "statement"),
    expires_by="told_at",
    keep_days=KEEP_DAYS,
)
def candles_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    """Not every minute that is told of is the one in which that occurs: the candles of a week may be told at once."""
    none = pl.lit(0, dtype=pl.Int64)
    bought = pl.when(pl.col("taker") == "buy").then("quote_e8").otherwise(0)
    made = _of("trade", events).select(
        "symbol",
        minute_of("occurred_at"),
        pl.lit(1, dtype=pl.Int64).alias("trades"),
        "quote_e8",
        bought.alias("taker_buy_quote_e8"),
        *(pl.col("price_e8").alias(name) for name in ("open_e8", "high_e8", "low_e8", "close_e8")),
        *(pl.col("trade_id").alias(name) for name in ("first_trade", "last_trade")),
        _time("occurred_at").alias("told_at"),
    )
    stated = _stated("kline", events).select(
        "symbol",
        minute_of("opened_at"),
        *(none.alias(name) for name in ("trades", "quote_e8", "taker_buy_quote_e8")),
        _time("occurred_at").alias("told_at"),
        _statement(),
        *(pl.col(name).alias(column) for column, name in OF_KLINES.items()),
    )
    return pl.concat([made, stated], how="diagonal")


@table(
    key=("symbol", "minute"),
    maximum=("statement", "stated_at"),
    last=dict.fromkeys(OF_TICKERS, "statement"),
    keep_days=KEEP_DAYS,
)
def tickers_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    return _stated("ticker", events).select(
        "symbol", minute_of("occurred_at"), _statement(), _time("occurred_at").alias("stated_at"), *OF_TICKERS
    )


def _stated(name: str, events: pl.DataFrame) -> pl.DataFrame:
    """Events that state something, with what was paid in all by the name that it has in the tables."""
    return _of(name, events).rename({"quote_e8": "of_a_trade", "quote_volume_e8": "quote_e8"})
