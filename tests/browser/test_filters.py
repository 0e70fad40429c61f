"""Every filter of every dashboard, chosen by clicks: each chart then shows what a SELECT of our own gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import pytest
import yaml

from settings import ROOT, load
from tests.browser.agreement import wait_until_agreed
from tests.browser.dashboard import Dashboard
from tests.browser.minutes import Minutes
from tests.browser.received import Received, total
from tests.dashboards import assets

pytestmark = pytest.mark.browser

CASES = yaml.safe_load((ROOT / "tests/cases/charts.yaml").read_text())
FILES = assets.read(load().domain)
FILTERED = [(slug, column) for slug, dashboard in FILES.dashboards.items() for column in (None, *dashboard["filters"])]

TOP = """
SELECT {column} AS value FROM {table} WHERE minute >= %(since)s AND minute < %(until)s
GROUP BY value ORDER BY SUM(revenue_cents) DESC"""


def wanted(minutes: Minutes, names: Iterable[str], column: str | None, value: str) -> dict[str, float]:
    """What the charts' data must come to, says MySQL."""
    found = {}
    for name in names:
        case = CASES["charts"][name]
        filters = f"{column} = %(value)s" if column in CASES["filtered_by"].get(case["table"], ()) else "TRUE"
        ranges = {
            time: f"{time} >= %(since)s AND {time} < %(until)s AND {filters}"
            for time in ("minute", "first_seen", "committed_at")
        }
        if "sql" in case:
            found[name] = minutes.figure(case["sql"].format(filters=filters, **ranges), value=value)
    return found


def sent(received: Received, titles: dict[str, str]) -> dict[str, float | None]:
    """What the data that each chart was sent come to; None without data."""
    rows, cases = received.rows(), CASES["charts"]
    return {
        name: total(rows[title], cases[name]["figure"], cases[name].get("of_last", False)) if rows.get(title) else None
        for name, title in titles.items()
    }


def agrees(name: str, shown: float | None, given: set[float]) -> bool:
    case = CASES["charts"][name]
    if shown is None or "sql" not in case:
        return shown is not None
    return any(abs(shown - figure) <= case.get("within", 0) * abs(figure) + 1e-3 for figure in given)


@pytest.mark.parametrize(("slug", "column"), FILTERED)
def test_charts_show_what_the_tables_say(
    tab: Callable[[str], Dashboard], minutes: Minutes, slug: str, column: str | None
) -> None:
    dashboard = tab(slug)
    received = Received(dashboard.page)
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
        wait_until_agreed(
            partial(sent, received, titles), partial(wanted, minutes, titles, column, value), agrees=agrees
        )
