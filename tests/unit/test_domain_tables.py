"""The tables of each domain: events in, rows out, cases as data."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from spark_jobs import domains
from spark_jobs.domains import ecommerce
from spark_jobs.merge import combine
from tests.unit.events import appended, encoded, good_event

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "ecommerce.yaml").read_text())
TABLES = {table.name: table for table in domains.tables("ecommerce")}
PAIRS = [pytest.param(case, name, id=f"{case['name']}: {name}") for case in CASES for name in case["rows"]]


def judged(events: list[dict]) -> pl.DataFrame:
    records = [encoded(good_event(**event)) for event in events]
    frame = domains.judge("ecommerce").judge(records, appended(len(records)))
    assert frame["reject_detail"].to_list() == [None] * len(records)
    return frame


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_case(case: dict, name: str) -> None:
    """A case has every row; of the sums in it, those that are not named are 0."""
    table = TABLES[name]
    rows = combine(table, table.rows(judged(case["events"]))).to_dicts()
    wanted = [dict.fromkeys(table.sum, 0) | row for row in case["rows"][name]]
    columns = sorted({column for row in wanted for column in row})
    found = [[shown(row[column]) for column in columns] for row in rows]
    assert sorted(found, key=str) == sorted(([row[column] for column in columns] for row in wanted), key=str), columns


def shown(value: object) -> object:
    return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else value


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_no_event_gives_no_row_and_the_same_columns(table) -> None:
    events = judged([{}])
    some, none = table.rows(events), table.rows(events.clear())
    assert none.height == 0
    assert some.schema == none.schema
    assert set(some.columns) == set(table.columns)


def test_every_event_counts_once_in_total() -> None:
    events = judged(
        [{**event, "event_id": f"0b3f4e6a-0000-4000-8000-{n:012d}"} for n, event in enumerate(all_events())]
    )
    for name in ("events_by_minute", "sales_by_minute", "sessions"):
        assert combine(TABLES[name], TABLES[name].rows(events))["events"].sum() == events.height


def test_a_term_fits_its_column_when_small_letters_are_more_than_large_ones() -> None:
    search = {"event_name": "search", "search_term": "\u0130" * 256}
    [term] = TABLES["searches_by_minute"].rows(judged([search]))["term"]
    assert len(term) == ecommerce.LONGEST_TERM


def test_a_page_fits_its_column() -> None:
    [page] = TABLES["pages_by_minute"].rows(judged([{"page_url": f"https://shop.example/{'x' * 2000}"}]))["page"]
    assert len(page) == ecommerce.LONGEST_PAGE


def all_events() -> list[dict]:
    return [event for case in CASES for event in case["events"]]
