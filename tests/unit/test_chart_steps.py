"""The steps by which the tests add up what a chart shows are those of its dataset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.browser.cases import FILES, step_of
from tests.dashboards import assets, grain, rendered

UNTIL = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
REACH = grain.Reach(UNTIL - timedelta(days=3), UNTIL - timedelta(hours=3))
OVER_TIME = [name for name, chart in FILES.charts.items() if chart["params"].get("x_axis") in assets.TIMES]


@pytest.mark.parametrize("length", [timedelta(hours=1), timedelta(days=1), timedelta(days=5), timedelta(days=20)])
@pytest.mark.parametrize("name", OVER_TIME)
def test_steps_are_those_of_the_dataset(name: str, length: timedelta) -> None:
    dataset = assets.dataset(FILES, FILES.charts[name]["dataset"])
    x_axis = FILES.charts[name]["params"]["x_axis"]
    [own] = [column for column in dataset["columns"] if column["column_name"] == x_axis]
    sql = rendered(own.get("expression") or dataset["sql"], (UNTIL - length).isoformat(), UNTIL.isoformat(), REACH)
    assert f", {step_of(name, UNTIL - length, UNTIL, REACH)}))" in sql
