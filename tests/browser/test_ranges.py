"""Charts over time at ranges from minutes to all that MySQL keeps: few points, no row left out, and the sum is that of
the tables and of the tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import pytest

from tests.browser.cases import FILES, PIPELINE
from tests.browser.dashboard import Dashboard
from tests.browser.ranges import faults, has_time_axis
from tests.browser.shop import Minutes
from tests.dashboards import assets

pytestmark = pytest.mark.browser

WITHIN = timedelta(minutes=9, seconds=20)
"""So long after the shop opened it is open, in the middle of a step of any length."""
DAY = timedelta(days=1)
COMMITS = "SELECT MIN(committed_at) AS since, MAX(committed_at) AS until FROM batches"


def ranges(minutes: Minutes, within: datetime, until: datetime) -> Iterator[Minutes]:
    """Ranges that end within a step in which there is something, and one that begins within it."""
    retention = timedelta(days=minutes.settings.mysql_retention_days)
    for length in (timedelta(minutes=10), timedelta(hours=1), DAY, 5 * DAY, 20 * DAY, retention):
        yield Minutes(minutes.settings, within - length, within)
    yield Minutes(minutes.settings, within, until)


def over_time(slugs: Iterable[str]) -> list[str]:
    """Those of these dashboards that have charts over time."""
    return [
        slug for slug in sorted(slugs) if any(has_time_axis(name) for name in assets.charts_of(FILES.dashboards[slug]))
    ]


@pytest.mark.parametrize("slug", over_time(FILES.dashboards.keys() - PIPELINE))
def test_the_shop_s_charts_at_any_range(tab: Callable[[str], Dashboard], shop: Minutes, slug: str) -> None:
    dashboard = tab(slug)
    dashboard.open(str(shop))
    within = shop.since + WITHIN
    assert not faults(dashboard, shop, ranges(shop, within, within + DAY))


@pytest.mark.parametrize("slug", over_time(PIPELINE))
def test_the_pipeline_s_charts_at_any_range(tab: Callable[[str], Dashboard], work: Minutes, slug: str) -> None:
    dashboard = tab(slug)
    dashboard.open(str(work))
    [commits] = work.select(COMMITS)
    within = (commits["since"] + (commits["until"] - commits["since"]) / 2).replace(microsecond=0)
    assert not faults(dashboard, work, ranges(work, within, work.until))
