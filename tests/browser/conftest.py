"""A stack with all its services, and the dashboard in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from local.throwaway import throwaway_stack
from settings import Settings
from tests.browser import chromium
from tests.browser.sales_live import SalesLive, browser


@pytest.fixture(scope="package")
def live_settings() -> Iterator[Settings]:
    """Settings of a stack of its own, where the producer has filled up some minutes and goes on."""
    with throwaway_stack(cassandra_heap="512m", kafka_heap="256m") as stack:
        stack.up()
        yield stack.settings


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    try:
        chromium.executable()
    except chromium.NoBrowserError as error:
        pytest.skip(f"no browser: {error}")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def logged_in(playwright: Playwright, live_settings: Settings) -> Iterator[BrowserContext]:
    """A browser in which the admin is logged in."""
    with browser(playwright) as context:
        page = context.new_page()
        SalesLive(page, live_settings).log_in()
        page.close()
        yield context


@pytest.fixture
def dashboard(logged_in: BrowserContext, live_settings: Settings) -> Iterator[SalesLive]:
    """In a tab of its own, to be opened."""
    page = logged_in.new_page()
    yield SalesLive(page, live_settings)
    page.close()
