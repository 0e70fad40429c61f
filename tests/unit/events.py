"""Events for tests: a domain's good one, changed as a test asks, and what its simulation and its cases have."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
import yaml

from producer.faults import Rates
from producer.records import GOOD, Record
from producer.simulate import Simulation, simulate
from settings import ROOT
from spark_jobs import domains

APPENDED_AT = datetime(2026, 3, 14, 15, 9, 26, 535000, tzinfo=UTC)
SHOP = "ecommerce"


@cache
def stated(domain: str) -> dict[str, Any]:
    """What tests/cases/<domain>.yaml says: a good event, and cases of events with the rows that they become."""
    return yaml.safe_load((ROOT / "tests" / "cases" / f"{domain}.yaml").read_text())


def text_of(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def good_event(
    minutes: float = 0,
    item: dict[str, Any] | None = None,
    at: datetime = APPENDED_AT,
    domain: str = SHOP,
    **changes: Any,
) -> dict[str, Any]:
    """A good event that occurred `minutes` after `at`; a change to None removes the field. `item` changes the item of
    the shop's."""
    event = deepcopy(stated(domain)["good"]) | {
        "occurred_at": text_of(at + timedelta(minutes=minutes)),
        "sent_at": text_of(at + timedelta(minutes=max(minutes, 0), seconds=1)),
    }
    if item:
        event["items"][0] |= item
    return {name: value for name, value in (event | changes).items() if value is not None}


def encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def appended(count: int, at: datetime = APPENDED_AT) -> pl.Series:
    """The broker's times of `count` records."""
    return pl.Series([at] * count, dtype=pl.Datetime("us", "UTC"))


def when_sent(records: list[Record]) -> pl.Series:
    """The broker's times of records that it takes when they are sent."""
    times = [datetime.fromtimestamp(record.at_ms / 1000, UTC) for record in records]
    return pl.Series(times, dtype=pl.Datetime("us", "UTC"))


@cache
def simulated(domain: str) -> list[Record]:
    """Records of a domain's simulation, some of them malformed."""
    start = APPENDED_AT.replace(minute=0, second=0)
    return list(simulate(Simulation(domain, 20_260_314, start, rate=20.0, rates=Rates(malformed=0.02)), events=3_000))


@cache
def validated(domain: str) -> pl.DataFrame:
    """Records as the validator hands them to the functions of tables: simulated ones, and the events of the cases."""
    validator, records = domains.validator(domain), simulated(domain)
    cases = [good_event(domain=domain, **event) for case in stated(domain)["cases"] for event in case["events"]]
    frame = pl.concat(
        [
            validator.validate(list(map(encoded, cases)), appended(len(cases))),
            validator.validate([record.value for record in records], when_sent(records)),
        ]
    )
    meant_well = pl.Series([True] * len(cases) + [record.kind in GOOD for record in records])
    reasons = frame.filter(meant_well & pl.col("reject").is_not_null())["reject_detail"].unique().to_list()
    assert reasons == [], f"{domain}: good events are rejected"
    return frame
