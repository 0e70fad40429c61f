"""Every filter of every dashboard, chosen by clicks: each chart then shows what a SELECT of our own gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.cases import FILES, off, wanted
from tests.browser.dashboard import HEIGHT, Dashboard
from tests.browser.shop import Minutes
from tests.dashboards import PIPELINE
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

FILTERED = [
    pytest.param(slug, column, marks=[pytest.mark.long] if column else [])
    for slug, dashboard in FILES.dashboards.items()
    for column in (None, *dashboard["filters"])
]
NARROW = 1024  # pixels

TOP = """
SELECT {column} AS value FROM {table} WHERE minute >= %(since)s AND minute < %(until)s
GROUP BY value ORDER BY SUM(revenue_cents) DESC"""


@pytest.mark.parametrize(("slug", "column"), FILTERED)
def test_charts_show_what_the_tables_say(
    tab: Callable[[str], Dashboard], shop: Minutes, work: Minutes, slug: str, column: str | None
) -> None:
    minutes = work if slug in PIPELINE else shop
    dashboard = tab(slug)
    if column is None:  # with a filter it is as wide as in all other tests
        dashboard.page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    dashboard.open(str(minutes))
    value = ""
    if column:
        table = FILES.filters[column]["dataset"]
        value = minutes.select(TOP.format(column=column, table=table))[0]["value"]
        dashboard.filter(column, value)
    for number, title in enumerate(dashboard.tabs):
        if number:
            dashboard.choose_tab(title)
        titles = dashboard.charts_of(title)
        figures = wanted(minutes, titles, column, value)
        assert None not in figures.values(), f"nothing to compare: {figures}"

        def faults(titles=titles, figures=figures) -> dict:
            return off(dashboard.received.rows(), titles, figures)

        wait_for(
            "the charts show what MySQL says",
            lambda faults=faults: not faults(),
            but=lambda faults=faults: f"(in the chart, in MySQL): {faults()}",
        )
