"""Datasets that tell apart only what a question names: in whatever way it is asked, the answer is the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import APIRequestContext

from tests.browser.conftest import dataset_id
from tests.browser.dashboard import Dashboard
from tests.browser.shop import Minutes

pytestmark = pytest.mark.browser

COUNTRIES = ("DE", "FR")
SESSIONS = "SELECT COUNT(*) FROM sessions WHERE first_seen >= %(since)s AND first_seen < %(until)s AND {condition}"
OWN_SQL = "UPPER(country) IN ('DE', 'FR')"
CONDITION = "country IN ('DE', 'FR')"

Question = dict[str, Any]


@pytest.fixture(scope="module", params=["funnel", "sessions_by_period"])
def dataset(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def question(admin: APIRequestContext, shop: Minutes, dataset: str) -> Question:
    """How many sessions there were, as a chart asks without a filter but the range."""
    time, first = {"funnel": ("first_seen", "step"), "sessions_by_period": ("period", "period")}[dataset]
    query = {
        "columns": [first],
        "metrics": ["sessions"],
        "filters": [{"col": time, "op": "TEMPORAL_RANGE", "val": str(shop)}],
        "orderby": [[first, dataset == "funnel"]],
        "row_limit": 1,
    }
    return {"datasource": {"id": dataset_id(admin, dataset), "type": "table"}, "queries": [query]}


def sessions(answer: Any) -> int:
    """Of the funnel's first step, or of the chosen period."""
    assert answer.ok, answer.text()
    [row] = answer.json()["result"][0]["data"]
    return row["sessions"]


@pytest.fixture
def rule(admin: APIRequestContext, question: Question) -> Iterator[None]:
    """A rule by which readers see the rows of some countries alone."""
    table = question["datasource"]["id"]
    about = {"name": "mine", "filter_type": "Base", "tables": [table], "roles": [], "clause": CONDITION}
    made = admin.post("/api/v1/rowlevelsecurity/", data=about)
    assert made.ok, made.text()
    yield
    admin.delete(f"/api/v1/rowlevelsecurity/{made.json()['id']}")


@pytest.fixture
def count(shop: Minutes) -> Callable[[str], float]:
    return lambda condition="TRUE": shop.figure(SESSIONS.format(condition=condition))


def test_without_a_filter(admin: APIRequestContext, question: Question, count: Callable[..., float]) -> None:
    assert sessions(admin.post("/api/v1/chart/data", data=question)) == count()


def test_with_a_filter(admin: APIRequestContext, question: Question, count: Callable[..., float]) -> None:
    question["queries"][0]["filters"].append({"col": "country", "op": "IN", "val": list(COUNTRIES)})
    assert sessions(admin.post("/api/v1/chart/data", data=question)) == count(CONDITION)


def test_with_sql_of_one_s_own(admin: APIRequestContext, question: Question, count: Callable[..., float]) -> None:
    question["queries"][0]["extras"] = {"where": OWN_SQL}
    assert sessions(admin.post("/api/v1/chart/data", data=question)) == count(CONDITION)


@pytest.mark.usefixtures("rule")
def test_under_a_rule(admin: APIRequestContext, question: Question, count: Callable[..., float]) -> None:
    assert sessions(admin.post("/api/v1/chart/data", data=question)) == count(CONDITION)


def test_a_chart_that_was_kept(admin: APIRequestContext, question: Question, count: Callable[..., float]) -> None:
    """What it asks does not stand in the request."""
    question["queries"][0]["extras"] = {"where": OWN_SQL}
    mine = {
        "slice_name": "Mine",
        "viz_type": "table",
        "datasource_id": question["datasource"]["id"],
        "datasource_type": "table",
        "params": "{}",
        "query_context": json.dumps(question),
    }
    chart = admin.post("/api/v1/chart/", data=mine).json()["id"]
    try:
        assert sessions(admin.get(f"/api/v1/chart/{chart}/data/")) == count(CONDITION)
    finally:
        admin.delete(f"/api/v1/chart/{chart}")


def test_no_page_without_filters_tells_countries_apart(dashboard: Dashboard, shop: Minutes) -> None:
    dashboard.open(str(shop))
    for name in ("Conversion", "Revenue", "Orders"):
        assert not [select for select in dashboard.received.selects()[name] if "country" in select], name
