"""Sales live in a browser: its tiles against SQL written from what the events mean, and a commit that is seen."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from local.native.stack import Stack
from tests.browser.dashboard import Dashboard
from tests.browser.figures import read, wait_until_shown
from tests.browser.shop import Minutes
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

ORDERS = "SELECT COALESCE(SUM(orders), 0) FROM sales_by_minute WHERE minute >= %(since)s"

# What the tiles show, from the tables alone. `sales` and `visits` are conditions.
SALES = """
SELECT SUM(revenue_cents) / 100 AS `Revenue`, SUM(orders) AS `Orders`,
       SUM(order_value_cents) / SUM(orders) / 100 AS `Order value`,
       SUM(units) AS `Units sold`, SUM(refund_cents) / 100 AS `Refunded`
FROM sales_by_minute WHERE minute >= %(since)s AND minute < %(until)s AND {condition}"""
VISITS = """
SELECT SUM(orders > 0) / COUNT(*) AS `Conversion`
FROM sessions WHERE first_seen >= %(since)s AND first_seen < %(until)s AND {condition}"""
TOP = """
SELECT {column} AS value FROM sales_by_minute WHERE minute >= %(since)s AND minute < %(until)s AND {condition}
GROUP BY value ORDER BY SUM(orders) DESC"""
FOLLOWED_S, LOOK_EVERY_S = 45.0, 0.2
SEEN_WITHIN_S = 15.0
"""What is committed, on a page that refreshes every ten seconds."""
TOGETHER = ("country", "category")
"""Filters of which the top values leave some dozens of orders of the seeded shop."""


def figures_of(shop: Minutes, sales: str = "TRUE", visits: str = "TRUE", **values: object) -> dict[str, float]:
    return shop.row(SALES.format(condition=sales), **values) | shop.row(VISITS.format(condition=visits), **values)


def test_tiles_say_what_the_tables_say_under_filters_together(dashboard: Dashboard, shop: Minutes) -> None:
    dashboard.open(str(shop))
    figures = figures_of(shop)

    def tiles() -> dict[str, str]:
        return {name: dashboard.tile(name) for name in figures}

    wait_until_shown(tiles, figures)
    sales, visits, chosen = ["TRUE"], ["TRUE"], {}
    for column in TOGETHER:
        before = figures
        values = shop.select(TOP.format(column=column, condition=" AND ".join(sales)), **chosen)
        chosen[column] = values[0]["value"]
        sales.append(f"{column} = %({column})s")
        if column != "category":  # a session has none
            visits.append(sales[-1])

        dashboard.filter(column, chosen[column])

        figures = figures_of(shop, " AND ".join(sales), " AND ".join(visits), **chosen)
        assert figures["Orders"] < before["Orders"]
        wait_until_shown(tiles, figures)
        # The time range is a filter, too; an item has no country.
        due = {"Revenue": len(sales), "Conversion": len(visits), "Top items": 1 + ("category" in chosen)}
        wait_for(f"charts apply {due}", partial(dashboard.apply, due))


@pytest.fixture
def growing(live: Stack, dashboard: Dashboard) -> Minutes:
    """A range that goes on, so that its number of orders only grows; open in a reader's window, and followed."""
    now = datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None)
    minutes = Minutes(live.settings, now - timedelta(hours=1), now + timedelta(hours=2))
    dashboard.page.set_viewport_size({"width": 1440, "height": 900})  # other charts are not drawn
    dashboard.open(str(minutes), ["Orders"], refreshes=True)
    dashboard.follow("Orders")
    return minutes


def test_what_is_committed_is_seen_without_a_click(growing: Minutes, dashboard: Dashboard) -> None:
    """It moves, and never shows more than was committed."""
    wait_for("the page changes by itself", lambda: len(dashboard.followed()) > 1)
    shown = [read(text).value for _, text in dashboard.followed()]
    assert all(before < after for before, after in pairwise(shown))
    assert shown[-1] <= growing.figure(ORDERS)


@pytest.mark.long
def test_what_is_committed_is_seen_soon(growing: Minutes, dashboard: Dashboard) -> None:
    committed, ends_at = [], time.time() + FOLLOWED_S
    while time.time() < ends_at:
        committed.append((time.time(), growing.figure(ORDERS)))
        time.sleep(LOOK_EVERY_S)
    assert committed[-1][1] > committed[0][1]
    wait_for("the last of it may be seen", lambda: time.time() > ends_at + SEEN_WITHIN_S)
    shown = [(at, read(text).value) for at, text in dashboard.followed()]
    for at, orders in committed:
        assert max(value for seen_at, value in shown if seen_at <= at + SEEN_WITHIN_S) >= orders
