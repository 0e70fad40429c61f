"""A million events with ten times the faults that a shop has by default, and Spark killed three times."""

from __future__ import annotations

from subprocess import Popen

import pytest

from local.native.stack import Stack
from producer.ledger import Ledger
from settings import Settings
from stores import mysql
from tests.integration.pipeline import (
    KILLED,
    assert_equals_recomputation,
    assert_exact,
    killed_in_batch,
    minutes_ago,
    shop,
)
from tests.waiting import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.long]

SEED = 20_261_126
EVENTS = 1_000_000
MINUTES = 60
DEFAULTS = Settings()
TIMES = 10
FAULTS = {
    name: TIMES * getattr(DEFAULTS, f"producer_{name}")
    for name in ("duplicates", "conflicts", "reloads", "late", "malformed")
}
WITHIN_S = 1800.0
KILLS = (*KILLED, KILLED[0])
SUMS = {
    ("sales_by_minute", "revenue_cents"): ("purchase", 1),
    ("sales_by_minute", "order_value_cents"): ("purchase", 1),
    ("sales_by_minute", "refund_cents"): ("refund", 1),
    ("sales_by_minute", "orders"): ("purchase", 0),
    ("order_lines_by_minute", "revenue_cents"): ("purchase", 1),
    ("items_by_minute", "revenue_cents"): ("purchase", 1),
    ("items_by_minute", "refund_cents"): ("refund", 1),
    ("sessions", "order_value_cents"): ("purchase", 1),
    ("sessions", "refund_value_cents"): ("refund", 1),
}
"""A dashboard's dataset and its column -> what the ledger has for its sum: by which name, and whether its events (0) or
their amount (1)."""


def counted(settings: Settings) -> int:
    with mysql.connected(settings, "reader", settings.domain) as connection:
        [(records,)] = mysql.query(connection, "SELECT COALESCE(SUM(records), 0) FROM batches")
    return int(records)


def kill_while_counting(stack: Stack, sending: Popen) -> None:
    """Kills Spark after each further quarter of what is sent."""
    before = counted(stack.settings)
    for number, what in enumerate(KILLS, start=1):
        due = before + EVENTS * number // (len(KILLS) + 1)
        wait_for(f"{due:,} records have counted", lambda due=due: counted(stack.settings) >= due, WITHIN_S)
        while not killed_in_batch(stack, what):
            pass
    assert sending.wait() == 0


@pytest.fixture(scope="module")
def survived(pipeline: Stack) -> Stack:
    sending = shop(pipeline.settings, SEED, minutes_ago(MINUTES + 10), MINUTES, EVENTS, **FAULTS)
    kill_while_counting(pipeline, sending)
    assert_exact(pipeline, WITHIN_S)
    return pipeline


def test_a_million_events_count_once(survived: Stack) -> None:
    ledger = Ledger.read(survived.settings.ledger_path)
    assert ledger.events >= EVENTS
    assert min(ledger.conflicts, ledger.reloads, ledger.malformed, ledger.late) > 0


@pytest.mark.parametrize(("dataset", "column"), SUMS)
def test_what_dashboards_add_up_is_what_the_ledger_says(survived: Stack, dataset: str, column: str) -> None:
    with mysql.connected(survived.settings, "reader", survived.settings.domain) as connection:
        [(total,)] = mysql.query(connection, f"SELECT SUM({column}) FROM {dataset}")
    event_name, place = SUMS[dataset, column]
    assert total == Ledger.read(survived.settings.ledger_path).by_name[event_name][place]


def test_a_recomputation_gives_the_same_rows(survived: Stack) -> None:
    assert_equals_recomputation(survived)
