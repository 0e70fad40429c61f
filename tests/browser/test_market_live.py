"""Market live over a seeded market at rest: each chart is sent what SQL by hand gives, also of another pair and other
bars; a candle says its prices beside the mouse; a phone shows all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import isclose
from typing import Any

import pytest
import yaml
from playwright.sync_api import BrowserContext

from settings import ROOT, Settings
from tests.browser import figures
from tests.browser.dashboard import Dashboard
from tests.browser.market import market_of
from tests.browser.phone import assert_below_each_other
from tests.browser.shop import select
from tests.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.long]

DAYS = 2
CASES = yaml.safe_load((ROOT / "tests/cases/market.charts.yaml").read_text())
DEFAULT, OTHER = ("BTCUSDT", "5m"), ("ETHUSDT", "15m")
SECONDS = {"5m": 300, "15m": 900}
SHOWN = 96
PLACES = 9
"""Of the mouse, spread over the chart."""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"
RELATIVE = 1e-9
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEYS = {"kind", "symbol", "other_symbol", "at", "bar"}

BARS = f"""(
SELECT bar, MAX(opens) / 1e8 AS open, MAX(high_e8) / 1e8 AS high, MIN(low_e8) / 1e8 AS low, MAX(closes) / 1e8 AS close,
       IF(MAX(closes) >= MAX(opens), SUM(quote_e8) / 1e8, NULL) AS rising,
       IF(MAX(closes) < MAX(opens), SUM(quote_e8) / 1e8, NULL) AS falling
FROM (
  SELECT bar, high_e8, low_e8, quote_e8, FIRST_VALUE(open_e8) OVER (PARTITION BY bar ORDER BY minute) AS opens,
         FIRST_VALUE(close_e8) OVER (PARTITION BY bar ORDER BY minute DESC) AS closes
  FROM (SELECT candles.*, FROM_UNIXTIME(UNIX_TIMESTAMP(minute) - UNIX_TIMESTAMP(minute) MOD %(seconds)s) AS bar
        FROM candles WHERE symbol = %(symbol)s) AS minutes
) AS minutes
GROUP BY bar ORDER BY bar DESC LIMIT {SHOWN}) AS of_minutes"""
PRICES = """(
SELECT symbol, last_.minute, close_e8 / 1e8 AS price, ticker.open_e8 / 1e8 AS open, ticker.quote_e8 / 1e8 AS turnover
FROM (SELECT symbol, minute, close_e8, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY minute DESC) AS age
      FROM candles) AS last_
JOIN (SELECT symbol, open_e8, quote_e8, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY minute DESC) AS age
      FROM tickers_by_minute) AS ticker USING (symbol, age)
WHERE age = 1) AS prices"""
SHOWN_BARS = f"""symbol = %(symbol)s AND step = %(step)s
 AND i > (SELECT MAX(i) FROM bars AS every WHERE every.symbol = %(symbol)s AND every.step = %(step)s) - {SHOWN}"""
CANDLE = """
SELECT open, high, low, close FROM bars WHERE symbol = %(symbol)s AND step = %(step)s AND bar = %(bar)s"""


@pytest.fixture(scope="module")
def market() -> Iterator[Settings]:
    with market_of(DAYS) as settings:
        yield settings


@pytest.fixture
def dashboard(tabs: list[Dashboard], visitor: BrowserContext, market: Settings) -> Dashboard:
    """Market live, to be opened."""
    tabs.append(Dashboard(visitor.new_page(), market, "market-live"))
    return tabs[-1]


Rows = dict[tuple, dict[str, Any]]
"""Rows by what they are of: their texts and times."""


def by_key(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Rows:
    """Those of the rows that have all these columns, and no others of theirs; times as Superset sends them."""
    found = ({name: plain(row[name]) for name in columns} for row in rows if row.keys() >= set(columns))
    return {tuple(value for name, value in row.items() if name in KEYS): row for row in found}


def plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) - EPOCH) / timedelta(milliseconds=1)
    return value if value is None or isinstance(value, str) else float(value)


def agree(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    return bool(one and other) and all(same(one[name], other[name]) for name in one)


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=RELATIVE, abs_tol=RELATIVE)
    return one == other


def off(settings: Settings, dashboard: Dashboard, symbol: str, step: str, tab: str) -> dict[str, Any]:
    """The charts of a tab that were not sent what they must: how many rows differ, and one of them, in the chart and in
    MySQL."""
    found: dict[str, Any] = {}
    received = dashboard.received.rows()
    for name, title in dashboard.charts_of(tab).items():
        case, sent = CASES[name], received[title]
        if "rows" in case:
            if len(sent) != case["rows"]:
                found[name] = sent
            continue
        statement = case["sql"].format(bars=BARS, prices=PRICES, shown=SHOWN_BARS)
        rows = select(settings, statement, symbol=symbol, step=step, seconds=SECONDS[step])
        wanted, shown = by_key(rows, list(rows[0])), by_key(sent, list(rows[0]))
        differ = [each for each in wanted.keys() | shown.keys() if not agree(shown.get(each), wanted.get(each))]
        if differ:
            found[name] = (len(differ), shown.get(differ[0]), wanted.get(differ[0]))
    return found


def wait_until_right(settings: Settings, dashboard: Dashboard, symbol: str, step: str, tab: str) -> None:
    wait_for(
        "the charts are sent what MySQL says",
        lambda: not off(settings, dashboard, symbol, step, tab),
        but=lambda: f"(rows that differ, in the chart, in MySQL): {off(settings, dashboard, symbol, step, tab)}",
    )


def test_every_chart_has_a_case(dashboard: Dashboard) -> None:
    assert {name for tab in dashboard.tabs for name in dashboard.charts_of(tab)} == set(CASES)


def test_charts_are_sent_what_the_tables_say(market: Settings, dashboard: Dashboard) -> None:
    dashboard.open()
    wait_until_right(market, dashboard, *DEFAULT, "Pair")
    dashboard.choose_tab("Market")
    wait_until_right(market, dashboard, *DEFAULT, "Market")


def test_another_pair_and_other_bars_are_chosen(market: Settings, dashboard: Dashboard) -> None:
    dashboard.open()
    for column, value in zip(("symbol", "step"), OTHER, strict=True):
        dashboard.filter(column, value)
    wait_until_right(market, dashboard, *OTHER, "Pair")
    dashboard.wait_until_drawn()
    [row] = select(market, CASES["price"]["sql"], symbol=OTHER[0])
    figures.wait_until_shown(lambda: {"Price": dashboard.tile("Price")}, {"Price": row["price"]})


def test_beside_the_mouse_a_candle_says_its_prices(market: Settings, dashboard: Dashboard) -> None:
    dashboard.open()
    box = dashboard.chart("Candles").locator("canvas").first.bounding_box()
    for place in range(PLACES):
        x = box["x"] + box["width"] * (0.15 + 0.75 * place / (PLACES - 1))
        dashboard.page.mouse.move(x, box["y"] + box["height"] / 2)
        dashboard.tooltip.first.wait_for()
        text = dashboard.tooltip.first.inner_text()
        [candle] = select(market, CANDLE, symbol=DEFAULT[0], step=DEFAULT[1], bar=re.search(TIME, text)[0])
        for name, price in candle.items():
            said = re.search(rf"^\W*{name}\s+(\S+)", text, re.MULTILINE | re.IGNORECASE)
            assert said, text
            assert figures.read(said[1]).means(float(price)), (text, candle)


def test_on_a_phone_the_charts_stand_below_each_other(dashboard: Dashboard) -> None:
    assert_below_each_other(dashboard)
