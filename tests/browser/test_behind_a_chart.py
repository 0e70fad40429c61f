"""What is behind a chart: its data as a file, and a slice split by another column, against what MySQL says."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial

import pytest

from tests.browser.agreement import wait_until_agreed
from tests.browser.dashboard import Dashboard
from tests.browser.minutes import Minutes

pytestmark = pytest.mark.browser

CHART = "Revenue by category, to drill"
REVENUE = """
SELECT {column} AS name, ROUND(SUM(revenue_cents) / 100, 2) AS revenue FROM items_by_minute
WHERE minute >= %(since)s AND minute < %(until)s AND {condition}
GROUP BY name HAVING revenue > 0 ORDER BY revenue DESC"""


def revenues(minutes: Minutes, column: str, condition: str = "TRUE", **values: object) -> dict[str, float]:
    rows = minutes.select(REVENUE.format(column=column, condition=condition), **values)
    return {row["name"]: float(row["revenue"]) for row in rows}


def test_the_data_of_a_chart_come_as_a_file(tab: Callable[[str], Dashboard], minutes: Minutes) -> None:
    dashboard = tab("products")
    dashboard.open(str(minutes))

    def downloaded() -> dict[str, float]:
        with dashboard.download(CHART).open(newline="") as file:
            return {row["Category"]: round(float(row["Revenue"]), 2) for row in csv.DictReader(file)}

    wait_until_agreed(downloaded, lambda: revenues(minutes, "category"))


def test_a_category_leads_to_its_brands_and_a_brand_to_its_items(
    tab: Callable[[str], Dashboard], minutes: Minutes
) -> None:
    dashboard = tab("products")
    dashboard.open(str(minutes))
    category = next(iter(revenues(minutes, "category")))
    brands = partial(revenues, minutes, "brand", "category = %(category)s", category=category)
    dashboard.drill_by("Brand", CHART)
    wait_until_agreed(partial(dashboard.drilled, "brand", "revenue"), brands)
    assert len(dashboard.drilled("brand", "revenue")) == len(brands())
    brand = next(iter(brands()))
    dashboard.drill_by("Item")
    items = partial(revenues, minutes, "item_name", "brand = %(brand)s", brand=brand)
    wait_until_agreed(partial(dashboard.drilled, "item_name", "revenue"), items)
