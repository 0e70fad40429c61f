"""Verify: every difference is found, none is made up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from audit.expected import Event, Letters, opened, per_minute, read, together, worth
from audit.figures import percentile
from audit.verify import SHOWN, Verdict, amount_off, unequal
from contracts import Amount
from stores.dead_letter import Address
from stores.progress import Reached
from stores.replayed import DUPLICATE, EVENT
from tests.unit.events import encoded, good_event

MINUTE = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
NEXT = MINUTE + timedelta(minutes=1)
AMOUNT = Amount("reporting_value", ("purchase", "refund"), "events_by_order")
LEDGER = {(MINUTE, "purchase"): (2, 500), (NEXT, "purchase"): (1, 100), (NEXT, "search"): (4, 0)}


def test_errors_that_cancel_out_are_off_all_the_same() -> None:
    stored = {**LEDGER, (MINUTE, "purchase"): (2, 510), (NEXT, "purchase"): (1, 90)}
    assert amount_off(LEDGER, stored) == 20


@pytest.mark.parametrize("missing", LEDGER)
def test_a_row_that_is_missing_or_too_many_is_found(missing: tuple) -> None:
    less = {key: value for key, value in LEDGER.items() if key != missing}
    assert len(unequal("rows", LEDGER, less)) == 1
    assert len(unequal("rows", less, LEDGER)) == 1
    assert amount_off(LEDGER, less) == LEDGER[missing][1]


def test_what_is_equal_is_equal() -> None:
    assert unequal("rows", LEDGER, dict(LEDGER)) == []
    assert amount_off(LEDGER, dict(LEDGER)) == 0


def test_many_differences_are_counted_not_listed() -> None:
    words = unequal("rows", dict.fromkeys(range(SHOWN + 5), 1), {})
    assert len(words) == SHOWN + 1
    assert "5 more" in words[-1]


def test_events_per_minute_and_those_with_an_amount() -> None:
    assert per_minute(LEDGER) == {MINUTE: 2, NEXT: 5}
    assert worth(LEDGER, AMOUNT) == {key: figures for key, figures in LEDGER.items() if key[1] == "purchase"}
    assert worth(LEDGER, replace(AMOUNT, table=None)) == worth(LEDGER, None) == {}


def test_the_verdict_line() -> None:
    verdict = Verdict(10, 7, 7, 2, 1, 0)
    assert str(verdict) == (
        "verify: acknowledged=10 archived=7 aggregated=7 duplicates_dropped=2 rejected=1 amount_off=0"
    )
    assert verdict.exact
    assert not Verdict(10, 7, 7, 2, 1, 1).exact
    assert not Verdict(10, 7, 7, 2, 1, 0, ["something"]).exact


def test_dead_letters_are_open_or_count_for_what_they_say() -> None:
    order = encoded(good_event(at=MINUTE, event_name="purchase"))
    dead = [(Address(0, offset, "schema", MINUTE, len(order)), order) for offset in range(4)]
    closed = {(0, 1): EVENT, (0, 2): EVENT, (0, 3): DUPLICATE}
    hour = MINUTE.replace(minute=0)
    assert opened(dead, closed, AMOUNT) == Letters(
        Counter({hour: 4}), {hour: Counter({EVENT: 2, DUPLICATE: 1})}, {(MINUTE, "purchase"): (2, 2000)}
    )
    assert opened([(Address(0, 0, "not_json", MINUTE, 1), b"{")], closed, AMOUNT) == Letters(Counter({hour: 1}))


def test_together() -> None:
    assert together(LEDGER, {(MINUTE, "purchase"): (1, 5), (MINUTE, "refund"): (1, 0)}) == {
        **LEDGER,
        (MINUTE, "purchase"): (3, 505),
        (MINUTE, "refund"): (1, 0),
    }


def test_lag() -> None:
    reached = Reached({0: 5, 1: 7}, 12, 0, MINUTE)
    assert reached.lag({0: 6, 1: 7, 2: 3}) == 4
    assert reached.lag({0: 6, 1: 2}) == 1
    assert not reached.passed({0: 6, 1: 7})
    assert reached.passed({0: 5, 1: 7})


@pytest.mark.parametrize(
    ("histogram", "expected"),
    [([], None), ([(100, 1)], 100), ([(100, 95), (200, 5)], 100), ([(100, 94), (200, 6)], 200)],
)
def test_percentile(histogram: list[tuple[int, int]], expected: int | None) -> None:
    assert percentile(histogram, 0.95) == expected


@pytest.mark.parametrize(
    ("fields", "cents"),
    [
        ('"reporting_value": 4998', 4998),
        ('"reporting_value": 4998.0', 4998),
        ('"reporting_value": "x", "reporting_value": 4998', 4998),
        ('"reporting_value": null', 0),
        ('"value": 4998', 0),
        (f'"reporting_value": 4998, "more": {"9" * 5000}', 4998),
        (f'"reporting_value": 4998, "more": {"[" * 500}{"]" * 500}', 4998),
    ],
    ids=["integer", "with a point", "twice", "null", "missing", "huge number", "deep"],
)
def test_what_a_purchase_is_worth_whatever_else_it_holds(fields: str, cents: int) -> None:
    found = read(f'{{"occurred_at": "2026-03-14T16:09:26.5+01:00", "event_name": "purchase", {fields}}}', AMOUNT)
    assert found == Event(MINUTE, "purchase", cents)
