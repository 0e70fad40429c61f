"""Asks a dashboard's charts over time, and the tiles beside them, for the data of many time ranges."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from settings import Settings
from tests.browser.cases import FILES, off, wanted
from tests.browser.dashboard import Dashboard
from tests.browser.received import ASK
from tests.browser.shop import Minutes
from tests.dashboards import assets, grain

Faults = dict[str, object]
ROW_LIMIT = 50_000
"""Superset's own, for a query without one."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def over_time(slugs: Iterable[str]) -> list[str]:
    """Those of these dashboards that have charts over time."""
    return [slug for slug in sorted(slugs) if any(map(has_time_axis, assets.charts_of(FILES.dashboards[slug])))]


def around(settings: Settings, within: datetime, until: datetime) -> Iterator[Minutes]:
    """Ranges of all lengths up to all that is kept, that end within a step, and one that begins within it."""
    retention = timedelta(days=settings.mysql_hours_retention_days)
    for length in (HOUR / 6, HOUR, DAY, 5 * DAY, 20 * DAY, retention):
        yield Minutes(settings, within - length, within)
    yield Minutes(settings, within, until)


def faults(dashboard: Dashboard, opened: Minutes, ranges: Iterable[Minutes]) -> Faults:
    """What is wrong with the charts of an opened dashboard at these ranges: `range: chart` -> what. They are asked for
    as the page did it for the range with which it was opened."""
    found: Faults = {}
    ranges = list(ranges)
    for number, tab in enumerate(dashboard.tabs):
        if number:
            dashboard.choose_tab(tab)
        titles = {name: title for name, title in dashboard.charts_of(tab).items() if has_time_axis(name)}
        questions = dashboard.received.questions()
        for minutes in ranges:
            rows = {}
            for title in titles.values():
                url, headers, body = questions[title]
                assert str(opened) in body
                asked = body.replace(str(opened), str(minutes))
                answer = dashboard.page.evaluate(ASK, [url, headers, asked])
                if isinstance(answer, str):
                    found[f"{minutes}: {title}"] = answer
                    continue
                limits = [query.get("row_limit", ROW_LIMIT) for query in json.loads(asked)["queries"]]
                found |= {f"{minutes}: {title}": fault for fault in too_many(answer, limits)}
                rows[title] = [row for each in answer for row in each["data"]]
            differ = off(rows, titles, wanted(minutes, titles))
            found |= {f"{minutes}: {titles[name]}": ("in the chart, in MySQL", *both) for name, both in differ.items()}
    return found


def has_time_axis(chart: str) -> bool:
    """Whether it is drawn over time, or is a tile that compares two periods."""
    return FILES.charts[chart]["params"].get("x_axis") in {*assets.TIMES, "period"}


def too_many(answer: list[Mapping], limits: list[int]) -> Iterator[str]:
    """What a chart got too much of; `limits` are those of the rows of its queries."""
    for each, limit in zip(answer, limits, strict=True):
        if len(each["data"]) > grain.POINTS + 1:
            yield f"{len(each['data'])} points"
        if each["sql_rowcount"] >= limit:
            yield f"cut at {limit} rows"
