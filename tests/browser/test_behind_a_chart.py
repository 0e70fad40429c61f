"""What is behind a chart: its data as a file, and a slice split by another column, against what MySQL says."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial

import pytest

from tests.browser.dashboard import Dashboard
from tests.browser.figures import wait_until_shown
from tests.browser.shop import Minutes

pytestmark = pytest.mark.browser

CHART = "Revenue by category, to drill"
REVENUE = """
SELECT {column} AS name, ROUND(SUM(revenue_cents) / 100, 2) AS revenue FROM items_by_minute
WHERE minute >= %(since)s AND minute < %(until)s AND {condition}
GROUP BY name HAVING revenue > 0 ORDER BY revenue DESC"""


def revenues(shop: Minutes, column: str, condition: str = "TRUE", **values: object) -> dict[str, float]:
    rows = shop.select(REVENUE.format(column=column, condition=condition), **values)
    return {row["name"]: float(row["revenue"]) for row in rows}


def test_the_data_of_a_chart_come_as_a_file(tab: Callable[[str], Dashboard], shop: Minutes) -> None:
    dashboard = tab("products")
    dashboard.open(str(shop))
    with dashboard.download(CHART).open(newline="") as file:
        downloaded = {row["Category"]: round(float(row["Revenue"]), 2) for row in csv.DictReader(file)}
    assert downloaded == revenues(shop, "category")


def test_a_category_leads_to_brands_and_a_brand_to_items(tab: Callable[[str], Dashboard], shop: Minutes) -> None:
    dashboard = tab("products")
    dashboard.open(str(shop))
    category = next(iter(revenues(shop, "category")))
    brands = revenues(shop, "brand", "category = %(category)s", category=category)
    dashboard.drill_by("Brand", CHART)
    wait_until_shown(partial(dashboard.drilled, "brand", "revenue"), brands)
    dashboard.drill_by("Item")
    items = revenues(
        shop, "item_name", "category = %(category)s AND brand = %(brand)s", category=category, brand=next(iter(brands))
    )
    wait_until_shown(partial(dashboard.drilled, "item_name", "revenue"), items)
