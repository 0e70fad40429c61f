"""The dashboard in a browser, against what MySQL says under the same condition."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from settings import Settings
from stores import mysql
from tests.browser.sales_live import SalesLive

pytestmark = pytest.mark.browser

DEADLINE_SECONDS = 120
RANGE_MINUTES = 10

# What the tiles show, from the tables alone. `sales` and `visits` are conditions.
SALES = """
SELECT SUM(revenue_cents) / 100 AS `Revenue`, SUM(orders) AS `Orders`,
       SUM(order_value_cents) / SUM(orders) / 100 AS `Average order value`,
       SUM(units) AS `Units sold`, SUM(refund_cents) / 100 AS `Refunded`
FROM sales_by_minute WHERE minute >= %(since)s AND minute < %(until)s AND {condition}"""
VISITS = """
SELECT 100 * SUM(orders > 0) / COUNT(*) AS `Conversion`
FROM sessions WHERE first_seen >= %(since)s AND first_seen < %(until)s AND {condition}"""
TOP = """
SELECT {column} AS value FROM sales_by_minute WHERE minute >= %(since)s AND minute < %(until)s
GROUP BY value ORDER BY SUM(orders) DESC LIMIT 1"""
ROUNDED_TO = {"Average order value": 2, "Conversion": 2}  # decimals on the page; none for the others


class Minutes:
    """A range of minutes that are over, and the tables' figures for it."""

    def __init__(self, settings: Settings) -> None:
        self.until = datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None) - timedelta(minutes=1)
        self.since = self.until - timedelta(minutes=RANGE_MINUTES)
        self.connection = mysql.connect(settings, "reader", settings.domain)
        self.connection.autocommit = True

    def __str__(self) -> str:
        return f"{self.since.isoformat()} : {self.until.isoformat()}"

    def select(self, query: str, **values: object) -> list[dict]:
        with self.connection.cursor(dictionary=True) as cursor:
            cursor.execute(query, {"since": self.since, "until": self.until, **values})
            return cursor.fetchall()

    def figures(self, sales: str = "TRUE", visits: str = "TRUE", **values: object) -> dict[str, float]:
        row = self.select(SALES.format(condition=sales), **values)[0]
        row |= self.select(VISITS.format(condition=visits), **values)[0]
        return {name: round(float(figure), ROUNDED_TO.get(name, 0)) for name, figure in row.items()}


@pytest.fixture
def minutes(live_settings: Settings) -> Iterator[Minutes]:
    chosen = Minutes(live_settings)
    yield chosen
    chosen.connection.close()


def wait_until_tiles_agree(dashboard: SalesLive, figures: Callable[[], dict[str, float]]) -> None:
    """Waits until each tile shows a figure that MySQL gave since the call.

    Not the figure of this moment: late events and sessions that go on change it while the page waits for its refresh.
    """
    given = defaultdict(set)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        for name, figure in figures().items():
            given[name].add(figure)
        off = {name: (shown, given[name]) for name, shown in tiles(dashboard).items() if shown not in given[name]}
        if not off:
            return
        assert time.monotonic() < deadline, f"(on the page, in MySQL): {off}"
        time.sleep(0.2)  # between two polls


def tiles(dashboard: SalesLive) -> dict[str, float]:
    return {
        name: dashboard.number(name)
        for name in ("Revenue", "Orders", "Average order value", "Units sold", "Refunded", "Conversion")
    }


def test_every_chart_shows_data(dashboard: SalesLive) -> None:
    dashboard.open()  # waits for that
    assert dashboard.number("Age of the data") < 60
    assert dashboard.number("Active shoppers now") > 0


def test_tiles_say_what_the_tables_say_under_every_filter(dashboard: SalesLive, minutes: Minutes) -> None:
    dashboard.open(str(minutes))
    wait_until_tiles_agree(dashboard, minutes.figures)

    sales, visits, chosen = ["TRUE"], ["TRUE"], {}
    for column in ("country", "device", "source", "category"):
        before = tiles(dashboard)
        top = minutes.select(TOP.format(column=column))[0]
        chosen[column] = top["value"]
        sales.append(f"{column} = %({column})s")
        if column != "category":  # a session has none
            visits.append(sales[-1])

        dashboard.filter(column, chosen[column])

        wait_until_tiles_agree(dashboard, partial(minutes.figures, " AND ".join(sales), " AND ".join(visits), **chosen))
        assert tiles(dashboard) != before
        assert dashboard.applied_filters("Revenue") == len(sales)  # the time range is one of them
        assert dashboard.applied_filters("Conversion") == len(visits)
        assert dashboard.applied_filters("Age of the data") == 0
        dashboard.wait_until_drawn()


def test_numbers_move_without_a_click(dashboard: SalesLive) -> None:
    dashboard.open()
    before = tiles(dashboard)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while tiles(dashboard)["Revenue"] == before["Revenue"]:
        assert time.monotonic() < deadline, f"nothing has moved since {before}"
        time.sleep(0.2)  # between two polls
