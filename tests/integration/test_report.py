"""A report has what the views in MySQL give, reads it as the user who may only read, and refuses what is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import passwords
from local.choice import preferred
from local.throwaway import throwaway_stack
from settings import ROOT, Settings, load
from spark_jobs.domains.market import candles_by_minute, tickers_by_minute
from spark_jobs.sinks.mysql import merge_rows
from stores import mysql
from tests.integration.pipeline import environment, query
from tests.integration.test_market import FIRST, KNOWN, MINUTES, naive, stated
from tests.report_page import figures, table

pytestmark = pytest.mark.integration

SYMBOL, STEP = KNOWN[1].symbol, "15m"
SHOWN = 96


def tickers(candles: pl.DataFrame) -> pl.DataFrame:
    """A statement of each pair as of the last minute: a price of 24 hours before, and the prices of now."""
    last = candles.filter(pl.col("minute") == naive(FIRST + MINUTES - 1))
    before = candles.filter(pl.col("minute") == naive(FIRST + MINUTES - 1 - 1_440))
    ends = last.join(before, on="symbol", suffix="_before")
    return ends.select(
        "symbol",
        "minute",
        "statement",
        pl.col("told_at").alias("stated_at"),
        pl.col("stated_open_e8_before").alias("open_e8"),
        *(pl.col(f"stated_{name}").alias(name) for name in ("high_e8", "low_e8", "close_e8", "trades", "quote_e8")),
        *(pl.lit(None, pl.Int64).alias(name) for name in ("change_e8", "change_percent_e3")),
    ).select(tickers_by_minute.columns)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a MySQL with some days of some pairs, and of a state folder with the reader's password alone."""
    with throwaway_stack(("mysql",), runtime=preferred(load()), domains=("market",)) as stack:
        mysql.set_up(stack.settings)
        with mysql.connected(stack.settings, "root", "market") as connection:
            candles = stated()
            for rows, into in ((candles, candles_by_minute), (tickers(candles), tickers_by_minute)):
                merge_rows(connection.cursor(), into, rows)
            connection.commit()
        settings = replace(stack.settings, runtime="native", state_dir=str(tmp_path_factory.mktemp("state")))
        passwords.folder(settings).mkdir()
        shutil.copy(passwords.folder(stack.settings) / "mysql_reader", passwords.folder(settings))
        yield settings


def make(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `make report` runs."""
    command = [sys.executable, "-m", "local", "report", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(settings), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def page(market: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("reports") / "one.html"
    done = make(market, "market", "--symbol", SYMBOL, "--step", STEP, "--to", str(file))
    assert done.returncode == 0, done.stderr
    assert f"The report is in {file}" in done.stdout
    return file.read_text()


def test_candles_and_indicators_are_those_of_the_view(market: Settings, page: str) -> None:
    figure = figures(page)[0]
    columns = "bar, turnover, sma_20, sma_50, band_upper, band_lower, rsi_14"
    rows = query(market, f"SELECT {columns} FROM shown_indicators WHERE symbol = '{SYMBOL}' AND step = '{STEP}'")
    bars, *drawn = zip(*sorted(rows), strict=True)
    assert len(bars) == SHOWN
    names = ("Turnover", "SMA 20", "SMA 50", "Band", "Band, lower", "RSI 14")
    for name, values in zip(names, drawn, strict=True):
        trace = figure.trace(name)
        assert trace["x"] == [bar.isoformat() for bar in bars]
        assert trace["y"] == pytest.approx([float(value) for value in values], rel=1e-12), name
    prices = query(
        market, f"SELECT bar, open, high, low, close FROM bars WHERE symbol = '{SYMBOL}' AND step = '{STEP}'"
    )
    expected = {bar.isoformat(): tuple(map(float, of_bar)) for bar, *of_bar in sorted(prices)[-SHOWN:]}
    candles = [figure.trace(name) for name in ("Price", "Unusual")]
    parts = ("x", "open", "high", "low", "close")
    found = [bar for trace in candles for bar in zip(*(trace[part] for part in parts), strict=True)]
    assert {at: tuple(of_bar) for at, *of_bar in found} == expected
    assert len(found) == SHOWN


def test_the_market_as_a_whole_is_that_of_the_views(market: Settings, page: str) -> None:
    _, correlations, changes = (figure.traces[0] for figure in figures(page))
    found = {
        (symbol, other): value
        for symbol, row in zip(correlations["y"], correlations["z"], strict=True)
        for other, value in zip(correlations["x"], row, strict=True)
    }
    assert found == {(one, other): value for one, other, value in query(market, "SELECT * FROM correlations")}
    assert len(found) == len(KNOWN) ** 2
    by_change = query(market, "SELECT symbol, change_24h FROM pairs ORDER BY change_24h")
    assert list(zip(changes["y"], changes["x"], strict=True)) == by_change
    head, *rows = table(page)
    assert {tuple(row[:2]) for row in rows} == {
        (symbol, f"{price:,.{digits}f}")
        for symbol, price in query(market, "SELECT symbol, price FROM pairs")
        for digits in [{"BTCUSDT": 2, "ETHUSDT": 2, "SOLUSDT": 3}[symbol]]
    }
    assert len({len(row) for row in (head, *rows)}) == 1


def test_it_says_how_new_its_data_are_and_loads_nothing(market: Settings, page: str) -> None:
    [(newest,)] = query(market, f"SELECT last_told_at FROM pairs WHERE symbol = '{SYMBOL}'")
    assert f"<h1>{SYMBOL}, bars of {STEP}</h1>" in page
    assert f"Newest data {newest:%Y-%m-%d %H:%M:%S} UTC, report made 20" in page
    assert not [way for way in ('src="http', "<script src", "<link", "@import") if way in page]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["market", "--symbol", "NONEUSDT"], f"there are: {', '.join(sorted(pair.symbol for pair in KNOWN))}"),
        (["market", "--step", "7m"], "there are: 1m, 5m, 15m, 1h, 4h, 1d"),
        (["ecommerce"], "choose from 'market'"),
        ([], "required: DOMAIN"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(
    market: Settings, arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = make(market, *arguments, "--to", str(tmp_path / "a.html"))
    assert done.returncode == os.EX_CONFIG, done.stderr
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_domain_that_does_not_run_here_is_refused(market: Settings, tmp_path: Path) -> None:
    done = make(replace(market, domains=("ecommerce",)), "market", "--to", str(tmp_path / "a.html"))
    assert done.returncode == os.EX_CONFIG, done.stderr
    assert "there are: ecommerce" in done.stderr
