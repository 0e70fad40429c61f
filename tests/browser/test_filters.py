"""Every filter of every dashboard, chosen by clicks: each chart then shows what a SELECT of our own gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import yaml

from settings import ROOT, load
from tests.browser.dashboard import HEIGHT, Dashboard
from tests.browser.received import Received, total
from tests.browser.shop import Minutes
from tests.dashboards import assets
from tests.waiting import wait_for

pytestmark = pytest.mark.browser

CASES = yaml.safe_load((ROOT / "tests/cases/charts.yaml").read_text())
FILES = assets.read(load().domain)
FILTERED = [
    pytest.param(slug, column, marks=[pytest.mark.long] if column else [])
    for slug, dashboard in FILES.dashboards.items()
    for column in (None, *dashboard["filters"])
]
PIPELINE = {path.stem for path in (assets.FOLDER / assets.EVERY_DOMAIN / "dashboards").glob("*.yaml")}
NARROW = 1024  # pixels
ROUNDING = 1e-3
"""Of sums of figures that a chart rounds."""

TOP = """
SELECT {column} AS value FROM {table} WHERE minute >= %(since)s AND minute < %(until)s
GROUP BY value ORDER BY SUM(revenue_cents) DESC"""


def wanted(minutes: Minutes, names: Iterable[str], column: str | None, value: str) -> dict[str, float | None]:
    """What the charts' data must come to, says MySQL; None for a chart that goes by the clock."""
    found: dict[str, float | None] = {}
    for name in names:
        case = CASES["charts"][name]
        filters = f"{column} = %(value)s" if column in CASES["filtered_by"].get(case["table"], ()) else "TRUE"
        ranges = {
            time: f"{time} >= %(since)s AND {time} < %(until)s AND {filters}"
            for time in ("minute", "first_seen", "committed_at")
        }
        sql = case["sql"].format(filters=filters, **ranges) if "sql" in case else None
        found[name] = minutes.figure(sql, value=value) if sql else None
    return found


def sent(received: Received, titles: dict[str, str]) -> dict[str, float]:
    """What the data come to that each chart was sent, of those that were sent some."""
    rows, cases = received.rows(), CASES["charts"]
    return {
        name: total(rows[title], cases[name]["figure"], cases[name].get("of_last", False))
        for name, title in titles.items()
        if rows.get(title)
    }


def agrees(shown: float | None, figure: float | None) -> bool:
    return shown is not None and (figure is None or abs(shown - figure) <= ROUNDING)


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
        off: dict[str, tuple[float | None, float | None]] = {}

        def agree(figures=figures, titles=titles, off=off) -> bool:
            shown = sent(dashboard.received, titles)
            off.clear()
            off |= {name: (shown.get(name), f) for name, f in figures.items() if not agrees(shown.get(name), f)}
            return not off

        wait_for("the charts show what MySQL says", agree, but=lambda off=off: f"(in the chart, in MySQL): {off}")
