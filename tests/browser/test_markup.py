"""Names are what senders write: a dashboard shows markup in them as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, expect

from local.native.stack import Stack
from producer.records import EVENT, Record
from tests.browser.dashboard import Dashboard
from tests.browser.figures import wait_until_shown
from tests.browser.shop import Minutes
from tests.dashboards import assets
from tests.integration.pipeline import assert_exact, publish
from tests.unit.events import encoded, good_event

pytestmark = pytest.mark.browser

AFTERWARDS, MINUTE = timedelta(minutes=2), timedelta(minutes=1)
WRITTEN = {
    "item_name": "<b>Bold</b><img src=x onerror=alert(1)>",
    "item_category": "<i>Odd</i>",
    "item_brand": "<u>Us</u>",
}
ITEM, CATEGORY, BRAND = (text.replace("<", assets.BRACKET) for text in WRITTEN.values())
RENDERED = "b:text-is('Bold'), i:text-is('Odd'), u:text-is('Us'), img[src='x']"
PIE = "Revenue by category, to drill"


@pytest.fixture(scope="module")
def odd(shop: Minutes) -> Minutes:
    """A minute in which nothing but one order was sent, of an item whose names are markup."""
    since = shop.until + AFTERWARDS
    at = since.replace(tzinfo=UTC)
    ids = {name: str(uuid4()) for name in ("event_id", "session_id", "transaction_id")}
    order = good_event(at=at, item=WRITTEN, event_name="purchase", **ids)
    at_ms = round(at.timestamp() * 1000)
    cents = order["reporting_value"]
    publish(shop.settings, Record(at_ms, b"odd", encoded(order), EVENT, "purchase", at_ms, cents))
    assert_exact(Stack(shop.settings))
    return Minutes(shop.settings, since, since + MINUTE)


@pytest.fixture
def products(tab: Callable[[str], Dashboard], odd: Minutes) -> Dashboard:
    dashboard = tab("products")
    dashboard.open(str(odd), charts=["Items", PIE, "Revenue by brand"])
    return dashboard


def assert_text(dashboard: Dashboard, shown: Locator, *texts: str) -> None:
    for text in texts:
        expect(shown).to_contain_text(text)
    expect(dashboard.page.locator(RENDERED)).to_have_count(0)


def test_in_tables_tooltips_and_filters(products: Dashboard) -> None:
    assert_text(products, products.chart("Items"), ITEM, CATEGORY, BRAND)
    products.hover(PIE)
    assert_text(products, products.tooltip, CATEGORY)
    products.filter("category", CATEGORY)
    products.wait_until_drawn()
    assert_text(products, products.chart("Items"), ITEM)


def test_in_the_windows_of_drill_down(products: Dashboard) -> None:
    products.drill_by("Item", PIE)
    wait_until_shown(lambda: products.drilled("item_name", "revenue"), {ITEM: 10.0})
    assert_text(products, products.window, CATEGORY)
    products.page.keyboard.press("Escape")
    products.drill_to_detail(PIE)
    assert_text(products, products.window, ITEM, CATEGORY, BRAND)
