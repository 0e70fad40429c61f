"""Events that are the same count once, whichever came first; stream, archive, verify and rebuild agree on which."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import yaml

import contracts
from audit import raw_events
from local.native.stack import Stack
from producer.records import CONFLICT, GOOD, RELOAD, Record
from settings import ROOT
from stores import cassandra, mysql
from tests.integration.pipeline import assert_equals_recomputation, assert_exact, publish, spark_jobs
from tests.unit.events import encoded, good_event

pytestmark = pytest.mark.integration

CASES = yaml.safe_load((ROOT / "tests/cases/identity.yaml").read_text())
REASONS = {CONFLICT: "conflict", RELOAD: "repeat"}
WORTH_CENTS = good_event()["reporting_value"]


def uuid(number: int) -> str:
    return f"0b3f4e6a-0000-4000-9000-{number:012d}"


def record(of: dict[str, Any], now: datetime) -> Record:
    occurred_at = now - timedelta(seconds=of["seconds"])
    ids = {name: uuid(of[name]) for name in ("event_id", "transaction_id")}
    session = {"session_id": uuid(1000 + of["transaction_id"])}
    event = good_event(at=occurred_at, **{"event_name": "purchase", **ids, **session, **of.get("set", {})})
    name = event["event_name"]
    cents = WORTH_CENTS if of["kind"] in GOOD else 0
    occurred_ms = round(occurred_at.timestamp() * 1000)
    key = of.get("key", "browser").encode()
    return Record(
        occurred_ms,
        key,
        encoded(event),
        of["kind"],
        name,
        occurred_ms,
        cents if name in ("purchase", "refund") else 0,
    )


@pytest.fixture(scope="module")
def before(pipeline: Stack) -> Counter[str]:
    """What other files' events were told as; to be asked for before `sent`."""
    return told(pipeline)


@pytest.fixture(scope="module")
def sent(pipeline: Stack) -> Stack:
    """A pipeline that all cases have gone through."""
    now = datetime.now(UTC).replace(microsecond=0)
    for case in CASES:
        records = [record(of, now) for of in case["records"]]
        for some in [[each] for each in records] if case.get("apart") else [records]:
            publish(pipeline.settings, *some)
            if case.get("apart"):
                assert_exact(pipeline)
    assert_exact(pipeline)
    return pipeline


def kinds() -> Counter[str]:
    return Counter(of["kind"] for case in CASES for of in case["records"])


def told(stack: Stack) -> Counter[str]:
    """How many records do not count, by kind; and how many were passed over, by `passed over as` the reason."""
    with mysql.connected(stack.settings, "reader", stack.settings.domain) as connection:
        by_kind = mysql.query(connection, "SELECT kind, SUM(records) FROM duplicates_by_minute GROUP BY kind")
    with cassandra.connected(stack.settings, "reader", stack.settings.domain) as session:
        passed = Counter(f"passed over as {row.reason}" for row in session.execute("SELECT reason FROM passed_over"))
    return Counter({kind: int(records) for kind, records in by_kind}) + passed


def test_each_counts_once_and_what_does_not_is_told(before: Counter[str], sent: Stack) -> None:
    since, due = told(sent) - before, kinds()
    assert since["conflict"] == due[CONFLICT]
    assert since["copy"] + since["repeat"] == due["duplicate"] + due[RELOAD]
    for kind, reason in REASONS.items():
        assert since[f"passed over as {reason}"] == due[kind]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_archive_keeps_all_that_was_received(sent: Stack, case: dict[str, Any]) -> None:
    orders = {of["transaction_id"] for of in case["records"]}
    [_, by_order] = contracts.load(sent.settings.domain).lookups
    found = [event.payload for order in orders for event in raw_events.of(sent.settings, by_order, UUID(uuid(order)))]
    assert len(found) == len(set(found)) == sum(of["kind"] != "duplicate" for of in case["records"])


def test_a_range_that_is_recomputed_has_the_same_rows(sent: Stack) -> None:
    since = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=15)
    words = ("--since", f"{since:%Y-%m-%dT%H:%MZ}", "--until", f"{since + timedelta(minutes=16):%Y-%m-%dT%H:%MZ}")
    done = spark_jobs(sent.settings, "rebuild", *words)
    assert done.returncode == 0, done.stdout[-3000:]
    assert_exact(sent)


def test_a_recomputation_gives_the_same_rows(sent: Stack) -> None:
    assert_equals_recomputation(sent)


def test_ids_that_count_are_known_after_a_restart(sent: Stack) -> None:
    sent.start("spark")
    again = {"kind": CONFLICT, "seconds": 90, "event_id": 1, "transaction_id": 1}
    publish(sent.settings, record(again, datetime.now(UTC).replace(microsecond=0)))
    assert_exact(sent)
