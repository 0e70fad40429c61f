"""Every dashboard in a browser: all charts drawn, at any width; filters and clicks against what MySQL says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from settings import load
from tests.browser.dashboard import Dashboard
from tests.browser.figures import wait_until_shown
from tests.browser.phone import assert_below_each_other
from tests.browser.shop import Minutes
from tests.dashboards import assets

pytestmark = pytest.mark.browser

SLUGS = list(assets.read(load().domain).dashboards)
RELATIVE = ("Last day", "Last 600 minutes", "10 hours ago : now")
"""All of them reach back to before the first event."""
IN_RANGE = "FROM {table} WHERE minute >= %(since)s AND minute < %(until)s"


def wait_for_tile(dashboard: Dashboard, name: str, figure: float) -> None:
    wait_until_shown(lambda: {name: dashboard.tile(name)}, {name: figure})


@pytest.mark.long
@pytest.mark.parametrize("slug", SLUGS)
def test_every_chart_shows_data_of_the_last_hour(tab: Callable[[str], Dashboard], slug: str) -> None:
    dashboard = tab(slug)
    dashboard.open()
    for title in dashboard.tabs[1:]:
        dashboard.choose_tab(title)


@pytest.mark.parametrize("slug", SLUGS)
def test_on_a_phone_the_charts_stand_below_each_other(tab: Callable[[str], Dashboard], slug: str) -> None:
    dashboard = tab(slug)
    assert_below_each_other(dashboard)


@pytest.mark.parametrize("time_range", RELATIVE)
def test_a_range_that_ends_now(tab: Callable[[str], Dashboard], shop: Minutes, time_range: str) -> None:
    dashboard = tab("sales-live")
    dashboard.page.set_viewport_size({"width": 1440, "height": 900})  # other charts are not drawn
    dashboard.open(time_range, ["Orders"])
    wait_for_tile(dashboard, "Orders", shop.figure("SELECT SUM(orders) FROM sales_by_minute"))


def test_the_other_dashboards_are_a_click_away(tab: Callable[[str], Dashboard]) -> None:
    dashboard = tab("shoppers")
    dashboard.open(charts=dashboard.charts[:1])
    other = Dashboard(dashboard.page, dashboard.settings, "products")
    dashboard.page.locator(".dashboard-markdown").get_by_role("link", name="Products").click()
    other.charts = other.charts[:1]
    other.wait_until_drawn()


def test_an_item_s_brand_is_filtered_by(tab: Callable[[str], Dashboard], shop: Minutes) -> None:
    dashboard = tab("products")
    dashboard.open(str(shop))
    revenue = f"SELECT SUM(revenue_cents) / 100 {IN_RANGE.format(table='items_by_minute')}"
    wait_for_tile(dashboard, "Revenue of items", shop.figure(revenue))
    most = f"SELECT brand {IN_RANGE.format(table='items_by_minute')} GROUP BY brand ORDER BY SUM(revenue_cents) DESC"
    brand = shop.select(most)[0]
    dashboard.filter("brand", brand["brand"])
    wait_for_tile(dashboard, "Revenue of items", shop.figure(f"{revenue} AND brand = %(brand)s", **brand))


def test_a_click_on_a_row_filters_the_other_charts(tab: Callable[[str], Dashboard], shop: Minutes) -> None:
    dashboard = tab("products")
    dashboard.open(str(shop))
    cell = dashboard.chart("Items").locator("tbody tr").first.locator("td").nth(2)
    category = cell.inner_text()
    cell.click()
    units = f"SELECT SUM(units) {IN_RANGE.format(table='items_by_minute')} AND category = %(category)s"
    wait_for_tile(dashboard, "Units of items", shop.figure(units, category=category))


def test_the_step_of_the_funnel_is_what_the_sessions_say(tab: Callable[[str], Dashboard], shop: Minutes) -> None:
    dashboard = tab("shoppers")
    dashboard.open(str(shop))
    reached = "SELECT COUNT(*) FROM sessions WHERE first_seen >= %(since)s AND first_seen < %(until)s"
    step = "3 Added to cart"
    cells = dashboard.chart("Drop-off at each step").locator("tbody tr", has_text=step).locator("td")
    figures = {step: shop.figure(f"{reached} AND furthest_step >= 2")}
    wait_until_shown(lambda: {step: cells.nth(1).inner_text()}, figures)


def test_a_minute_leads_to_its_raw_events(tab: Callable[[str], Dashboard]) -> None:
    dashboard = tab("sales-live")
    dashboard.open()
    link = dashboard.chart("Latest minutes").locator("tbody tr").nth(2).get_by_role("link")
    with dashboard.page.context.expect_page() as opened:
        link.click()
    events = opened.value
    events.wait_for_load_state()
    assert "/raw-events/ecommerce/?minute=" in events.url
    assert events.get_by_text("purchase").count() or events.get_by_text("view_item").count()
    events.close()
