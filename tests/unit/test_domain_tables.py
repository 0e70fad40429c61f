"""The tables of each domain: events in, rows out, cases as data."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from settings import DOMAINS
from spark_jobs import domains
from spark_jobs.merge import Table, combine
from tests.unit.events import appended, encoded, good_event, stated

TABLES = {domain: {table.name: table for table in domains.tables(domain)} for domain in DOMAINS}
PAIRS = [
    pytest.param(domain, case, name, id=f"{domain}: {case['name']}: {name}")
    for domain in DOMAINS
    for case in stated(domain)["cases"]
    for name in case["rows"]
]


def validated(domain: str, events: list[dict]) -> pl.DataFrame:
    records = [encoded(good_event(domain=domain, **event)) for event in events]
    frame = domains.validator(domain).validate(records, appended(len(records)))
    assert frame["reject_detail"].to_list() == [None] * len(records)
    return frame


@pytest.mark.parametrize(("domain", "case", "name"), PAIRS)
def test_case(domain: str, case: dict, name: str) -> None:
    """A case has every row; of the sums in it, those that are not named are 0."""
    table = TABLES[domain][name]
    rows = combine(table, table.rows(validated(domain, case["events"]))).to_dicts()
    wanted = [dict.fromkeys(table.sum, 0) | row for row in case["rows"][name]]
    columns = sorted({column for row in wanted for column in row})
    found = [[shown(row[column]) for column in columns] for row in rows]
    assert sorted(found, key=str) == sorted(([row[column] for column in columns] for row in wanted), key=str), columns


def shown(value: object) -> object:
    return value.isoformat(" ", "milliseconds") if isinstance(value, datetime) else value


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_table_has_a_case(domain: str) -> None:
    assert {name for case in stated(domain)["cases"] for name in case["rows"]} == TABLES[domain].keys()


@pytest.mark.parametrize(
    ("domain", "table"),
    [
        pytest.param(domain, table, id=f"{domain}: {name}")
        for domain, tables in TABLES.items()
        for name, table in tables.items()
    ],
)
def test_no_event_gives_no_row_and_the_same_columns(domain: str, table: Table) -> None:
    events = validated(domain, [{}])
    some, none = table.rows(events), table.rows(events.clear())
    assert none.height == 0
    assert some.schema == none.schema
    assert set(some.columns) == set(table.columns)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_event_counts_once_in_total(domain: str) -> None:
    all_events = [event for case in stated(domain)["cases"] for event in case["events"]]
    ids = [f"0b3f4e6a-0000-4000-8000-{number:012d}" for number in range(len(all_events))]
    events = validated(domain, [{**event, "event_id": id_} for event, id_ in zip(all_events, ids, strict=True)])
    for name in ("events_by_minute", *stated(domain).get("every_event_is_in", ())):
        table = TABLES[domain][name]
        assert combine(table, table.rows(events))["events"].sum() == events.height, name
