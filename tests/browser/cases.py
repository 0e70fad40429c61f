"""What the data of each chart must come to: tests/cases/charts.yaml, held against what a page was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import isnan

import yaml

from settings import ROOT, load
from spark_jobs import rollup
from tests.browser.received import total
from tests.browser.shop import Minutes
from tests.dashboards import assets, grain

CASES = yaml.safe_load((ROOT / "tests/cases/charts.yaml").read_text())
FILES = assets.read(load().domain)
OF_HOURS = {
    hours.name.removesuffix("_by_hour"): (hours, table.expires_by)
    for table in rollup.tables(load().domain)
    for hours in table.hours
}
FROM = re.compile(rf"FROM ({'|'.join(OF_HOURS)})(?:_by_minute)?\b")
ROUNDING = 1e-3
"""Of sums of figures that a chart rounds."""
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001


def wanted(
    minutes: Minutes, names: Iterable[str], column: str | None = None, value: str = ""
) -> dict[str, float | None]:
    """What the charts' data must come to, says MySQL, with a column under a filter for one of its values. None where
    there is nothing, NaN for a chart that goes by the clock."""
    found: dict[str, float | None] = {}
    for name in names:
        case = CASES["charts"][name]
        filters = f"{column} = %(value)s" if column in CASES["filtered_by"].get(case["table"], ()) else "TRUE"
        step, since, until = steps_of(name, minutes)
        ranges = {
            f"{kind}{time}": f"{time} >= {begins} AND {time} < {ends} AND {filters}"
            for time in ("minute", "first_seen", "committed_at")
            for kind, begins, ends in (("", "%(since)s", "%(until)s"), ("whole_", "%(whole_since)s", "%(whole_until)s"))
        }
        sql = with_hours(case.get("sql", "SELECT 'NaN'")).format(filters=filters, step=step, **ranges)
        [row] = minutes.select(sql, value=value, whole_since=since, whole_until=until)
        [figure] = row.values()
        found[name] = None if figure is None else float(figure)
    return found


def with_hours(sql: str) -> str:
    """A SELECT whose tables have hours where there are no minutes any more."""

    def both(found: re.Match[str]) -> str:
        hours, time = OF_HOURS[found[1]]
        columns = ", ".join(column for column in hours.columns if column != "minute")
        return (
            f"FROM (SELECT {time}, {columns} FROM {hours.of} UNION ALL SELECT minute, {columns} FROM {hours.name} "
            f"WHERE minute < (SELECT minutes_from FROM coverage)) AS {found[1]}"
        )

    return FROM.sub(both, sql)


def steps_of(name: str, minutes: Minutes) -> tuple[int, datetime, datetime]:
    """The length of a chart's steps in seconds; and from when until when a range has whole ones that are over."""
    [coverage] = minutes.select("SELECT minutes_from, hours_until FROM coverage")
    step = step_of(name, minutes.since, minutes.until, grain.Reach(**coverage))
    until = min(minutes.until, datetime.now(UTC).replace(tzinfo=None))
    first = -((EPOCH - minutes.since) // timedelta(seconds=step))
    last = (until - EPOCH) // timedelta(seconds=step)
    return step, EPOCH + first * timedelta(seconds=step), EPOCH + last * timedelta(seconds=step)


def step_of(name: str, since: datetime, until: datetime, reach: grain.Reach) -> int:
    """The length of a chart's steps, in seconds, where MySQL has this. Some datasets' steps go by the range's length
    alone."""
    chart = FILES.charts[name]
    at_least = assets.TIMES.get(chart["params"].get("x_axis"), grain.MINUTE)
    by_length = "reach=None" in FILES.datasets[chart["dataset"]].get("sql", "")
    return grain.step_seconds(since.isoformat(), until.isoformat(), at_least, None if by_length else lambda: reach)


def sent(rows: Mapping[str, list[dict]], titles: Mapping[str, str]) -> dict[str, float]:
    """What the data come to that each chart was sent, of those that were sent some. `rows` are by the chart's title."""
    cases = CASES["charts"]
    return {
        name: total(rows[title], cases[name]["figure"], cases[name].get("of_last", False))
        for name, title in titles.items()
        if rows.get(title)
    }


def off(
    rows: Mapping[str, list[dict]], titles: Mapping[str, str], figures: Mapping[str, float | None]
) -> dict[str, tuple[float | None, float | None]]:
    """The charts whose data do not come to what they must: what they come to, and what MySQL says."""
    shown = sent(rows, titles)
    return {name: (shown.get(name), figure) for name, figure in figures.items() if not agrees(shown.get(name), figure)}


def agrees(shown: float | None, figure: float | None) -> bool:
    if figure is None:
        return not shown
    return shown is not None and (isnan(figure) or abs(shown - figure) <= ROUNDING)
