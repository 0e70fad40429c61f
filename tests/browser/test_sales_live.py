"""The dashboard in a browser, against what MySQL says under the same condition."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from functools import partial
from itertools import pairwise

import pytest

from tests.browser.agreement import wait_until_agreed
from tests.browser.dashboard import Dashboard
from tests.browser.minutes import Minutes
from tests.waiting import wait_for

pytestmark = pytest.mark.browser
log = logging.getLogger(__name__)

DEADLINE_SECONDS = 120
SEEN_WITHIN_S = 30
"""On two cores that the browser shares; 12 s where the stack has nothing to catch up with."""
REFRESHES = 4
ORDERS = "SELECT SUM(orders) FROM sales_by_minute WHERE minute >= %(since)s"

# What the tiles show, from the tables alone. `sales` and `visits` are conditions.
SALES = """
SELECT SUM(revenue_cents) / 100 AS `Revenue`, SUM(orders) AS `Orders`,
       SUM(order_value_cents) / SUM(orders) / 100 AS `Order value`,
       SUM(units) AS `Units sold`, SUM(refund_cents) / 100 AS `Refunded`
FROM sales_by_minute WHERE minute >= %(since)s AND minute < %(until)s AND {condition}"""
VISITS = """
SELECT 100 * SUM(orders > 0) / COUNT(*) AS `Conversion`
FROM sessions WHERE first_seen >= %(since)s AND first_seen < %(until)s AND {condition}"""
TOP = """
SELECT {column} AS value FROM sales_by_minute WHERE minute >= %(since)s AND minute < %(until)s AND {condition}
GROUP BY value ORDER BY SUM(orders) DESC"""
ROUNDED_TO = {"Order value": 2, "Conversion": 2}  # decimals on the page; none for the others


def figures_of(minutes: Minutes, sales: str = "TRUE", visits: str = "TRUE", **values: object) -> dict[str, float]:
    row = minutes.select(SALES.format(condition=sales), **values)[0]
    row |= minutes.select(VISITS.format(condition=visits), **values)[0]
    return {name: round(float(figure), ROUNDED_TO.get(name, 0)) for name, figure in row.items()}


def tiles(dashboard: Dashboard) -> dict[str, float]:
    return {
        name: dashboard.number(name)
        for name in ("Revenue", "Orders", "Order value", "Units sold", "Refunded", "Conversion")
    }


def test_every_chart_shows_data(dashboard: Dashboard) -> None:
    dashboard.open()  # waits for that


def test_tiles_say_what_the_tables_say_under_all_filters_together(dashboard: Dashboard, minutes: Minutes) -> None:
    dashboard.open(str(minutes))
    shown = partial(tiles, dashboard)
    wait_until_agreed(shown, partial(figures_of, minutes), DEADLINE_SECONDS)

    sales, visits, chosen = ["TRUE"], ["TRUE"], {}
    for column in ("currency", "country", "device", "source", "category"):  # a country has one currency
        before = tiles(dashboard)
        values = minutes.select(TOP.format(column=column, condition=" AND ".join(sales)), **chosen)
        chosen[column] = values[0]["value"]
        sales.append(f"{column} = %({column})s")
        if column != "category":  # a session has none
            visits.append(sales[-1])

        dashboard.filter(column, chosen[column])

        figures = partial(figures_of, minutes, " AND ".join(sales), " AND ".join(visits), **chosen)
        wait_until_agreed(shown, figures, DEADLINE_SECONDS)
        if len(values) > 1:  # at night most orders are in dollars, all of them of one country
            assert tiles(dashboard) != before
        # The time range is a filter, too; an item has no country.
        due = {"Revenue": len(sales), "Conversion": len(visits), "Top items": 1 + ("category" in chosen)}
        wait_for(f"charts apply {due}", lambda: {name: dashboard.applied_filters(name) for name in due} == due)  # noqa: B023
        dashboard.wait_until_drawn()


def oldest_s(shown: list[tuple[float, float]], committed: list[tuple[float, float]]) -> float:
    """How old a number got before the page changed it: the time since the last moment at which MySQL had no more than
    that. Both are (seconds since the epoch, orders), in order; the first number is that of the page that opens."""
    return max(
        changed_at - max(at for at, orders in committed if orders <= before)
        for (_, before), (changed_at, _) in pairwise(shown[1:])
    )


def test_what_is_committed_is_seen_soon_without_a_click(dashboard: Dashboard, minutes: Minutes) -> None:
    dashboard.page.set_viewport_size({"width": 1440, "height": 900})  # a reader's window: other charts are not drawn
    committed: list[tuple[float, float]] = []

    def shown_often_enough() -> bool:
        committed.append((time.time(), minutes.figure(ORDERS)))
        return len(dashboard.followed()) > REFRESHES + 1

    committed.append((time.time(), minutes.figure(ORDERS)))
    in_an_hour = minutes.until + timedelta(hours=1)  # the range goes on, so that the figure only grows
    dashboard.open(f"{minutes.since.isoformat()} : {in_an_hour.isoformat()}", ["Orders"])
    dashboard.follow("Orders")
    wait_for(f"{REFRESHES} refreshes", shown_often_enough, DEADLINE_SECONDS)
    age_s = oldest_s(dashboard.followed(), committed)
    log.info("what was shown was %.1f s old at most", age_s)
    assert age_s <= SEEN_WITHIN_S
