"""Charts over time at ranges from minutes to all that MySQL keeps: few points, no row left out, and what they add up is
what the tables and so the tiles say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.browser.cases import FILES, off, wanted
from tests.browser.dashboard import Dashboard
from tests.browser.ranges import DAY, around, faults, over_time
from tests.browser.received import ASK
from tests.browser.shop import Minutes
from tests.dashboards import PIPELINE

pytestmark = pytest.mark.browser

WITHIN = timedelta(minutes=9, seconds=20)
"""So long after the shop opened it is open, and no step begins."""
COMMITS = """
SELECT MIN(committed_at) AS since, MAX(committed_at) AS until FROM batches
WHERE committed_at >= %(since)s AND committed_at < %(until)s"""


@pytest.mark.parametrize("slug", over_time(FILES.dashboards.keys() - PIPELINE))
def test_the_shop_s_charts_at_any_range(tab: Callable[[str], Dashboard], shop: Minutes, slug: str) -> None:
    dashboard = tab(slug)
    days = Minutes(shop.settings, shop.until - 2 * DAY, shop.until)  # by minutes: an hour of the shop may not be whole
    dashboard.open(str(days))
    within = shop.since + WITHIN
    assert not faults(dashboard, days, around(shop.settings, within, within + DAY))


@pytest.mark.parametrize("slug", over_time(PIPELINE))
def test_the_pipeline_s_charts_at_any_range(tab: Callable[[str], Dashboard], work: Minutes, slug: str) -> None:
    dashboard = tab(slug)
    dashboard.open(str(work))
    [commits] = work.select(COMMITS)
    within = (commits["since"] + (commits["until"] - commits["since"]) / 2).replace(microsecond=0)
    assert not faults(dashboard, work, around(work.settings, within, work.until))


def test_what_is_beyond_the_largest_series_is_one(tab: Callable[[str], Dashboard], shop: Minutes) -> None:
    dashboard, chart = tab("shoppers"), "failed_payments_over_time"
    dashboard.open(str(shop))
    dashboard.choose_tab("Carts and payments")
    titles = {chart: FILES.charts[chart]["slice_name"]}
    url, headers, body = dashboard.received.questions()[titles[chart]]
    asked = json.loads(body)
    asked["queries"][0]["series_limit"] = 2
    answer = dashboard.page.evaluate(ASK, [url, headers, json.dumps(asked)])
    rows = [row for each in answer for row in each["data"]]
    assert len(rows[0]) == 1 + 2 + 1  # the time, the two, and the others
    assert not off({titles[chart]: rows}, titles, wanted(shop, titles))
