"""The host's time zone changes no figure: the same shop on stacks that were started in different places."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Playwright

from local.runtime import SERVERS
from local.throwaway import throwaway_stack
from tests.browser.dashboard import Dashboard, admins_browser
from tests.browser.figures import read
from tests.integration import pipeline

pytestmark = [pytest.mark.browser, pytest.mark.long]

ZONES = ("Asia/Kolkata", "America/New_York", "UTC")
SEED, EVENTS = 20_260_314, 20_000
OPENED_MINUTES_AGO, OPEN_MINUTES = 30, 10
"""Within the hour that a dashboard opens with, until the last of the stacks was looked at."""
TILES = ("Revenue", "Orders", "Units sold", "Order value", "Refunded", "Conversion")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Its environment, as it was afterwards."""
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def test_the_default_range_shows_the_same_everywhere(host: pytest.MonkeyPatch, playwright: Playwright) -> None:
    opened = pipeline.minutes_ago(OPENED_MINUTES_AGO)
    shown = {}
    for zone in ZONES:
        host.setenv("TZ", zone)
        time.tzset()
        with (
            throwaway_stack((*SERVERS, "spark", "superset")) as stack,
            admins_browser(playwright, stack.settings) as context,
        ):
            sending = pipeline.shop(stack.settings, SEED, opened, OPEN_MINUTES, EVENTS, **pipeline.FAULTS)
            assert sending.wait() == 0
            pipeline.assert_exact(stack)
            dashboard = Dashboard(context.new_page(), stack.settings)
            dashboard.open(charts=TILES)
            shown[zone] = {name: dashboard.tile(name) for name in TILES}
    assert all(read(figure).value > 0 for figure in shown["UTC"].values())
    assert shown == dict.fromkeys(ZONES, shown["UTC"])
