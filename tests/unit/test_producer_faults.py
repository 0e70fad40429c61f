"""Faults: as many as asked for, of every kind, and each of them one that the validator must see."""

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

import contracts
from producer.domains.ecommerce import DAMAGE_OF_ITEMS
from producer.faults import DAMAGE, Faults, Rates
from producer.records import Record
from producer.simulate import Simulation, simulate
from spark_jobs.domains import validator
from tests.unit.events import when_sent

MALFORMED = (*DAMAGE, *DAMAGE_OF_ITEMS)
RATES = Rates(duplicates=0.03, late=0.05, malformed=0.06)
SHOP = Simulation("ecommerce", seed=11, start=datetime(2026, 11, 22, 12, 0, tzinfo=UTC), rate=200.0, rates=RATES)
EVENTS = 20_000


@cache
def records() -> list[Record]:
    return list(simulate(SHOP, EVENTS))


@cache
def verdicts() -> list[tuple[Record, str | None, list[str] | None]]:
    """(record, why the validator rejects it, expectations that it fails), the broker taking it when it is sent."""
    verdict = validator("ecommerce").validate([record.value for record in records()], when_sent(records()))
    return list(zip(records(), verdict["reject"].to_list(), verdict["failed"].to_list(), strict=True))


def test_faults_come_at_their_rates():
    kinds = Counter(record.kind for record in records())
    assert kinds["event"] + kinds["late"] == EVENTS
    assert kinds["late"] / EVENTS == pytest.approx(RATES.late, rel=0.15)
    assert kinds["duplicate"] / EVENTS == pytest.approx(RATES.duplicates, rel=0.15)
    assert sum(kinds[kind] for kind in MALFORMED) / EVENTS == pytest.approx(RATES.malformed, rel=0.15)
    assert all(kinds[kind] for kind in MALFORMED)


def test_no_faults_when_none_are_asked_for():
    quiet = Simulation(SHOP.domain, SHOP.seed, SHOP.start, SHOP.rate, Rates())
    assert {record.kind for record in simulate(quiet, 2_000)} == {"event"}


def test_the_validator_accepts_events_late_ones_and_duplicates():
    rejected = [(record, why) for record, why, _ in verdicts() if record.kind not in MALFORMED and why]
    assert not rejected
    assert not [failed for record, _, failed in verdicts() if record.kind not in MALFORMED and failed]


@pytest.mark.parametrize("kind", MALFORMED)
def test_the_validator_rejects_every_malformed_record(kind):
    reasons = [why for record, why, _ in verdicts() if record.kind == kind]
    assert reasons
    assert None not in reasons


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("oversized", "too_large"),
        ("invalid_utf8", "not_utf8"),
        ("too_late", "too_late"),
        ("from_the_future", "from_the_future"),
        ("value_mismatch", "expectation:value_is_sum_of_items"),
        ("unknown_event_name", "schema"),
        ("nan", "not_json"),
    ],
)
def test_damage_is_seen_for_what_it_is(kind, reason):
    assert {why for record, why, _ in verdicts() if record.kind == kind} == {reason}


def test_duplicates_are_the_same_bytes_later():
    first: dict[tuple[bytes | None, bytes | None], Record] = {}
    delays_ms = []
    for record in records():
        if record.kind in ("event", "late"):
            first[record.key, record.value] = record
        elif record.kind == "duplicate":
            delays_ms.append(record.at_ms - first[record.key, record.value].at_ms)
            assert record.amount == 0
    assert min(delays_ms) > 0
    assert any(delay < 1_000 for delay in delays_ms)
    assert any(delay > 60_000 for delay in delays_ms)


def test_late_events_are_sent_1_to_45_minutes_after_they_occurred():
    for record in records():
        if record.kind == "late":
            event = json.loads(record.value)
            delay = datetime.fromisoformat(event["sent_at"]) - datetime.fromisoformat(event["occurred_at"])
            assert timedelta(minutes=1) <= delay <= timedelta(minutes=45)
            assert record.at_ms - record.occurred_ms == delay // timedelta(milliseconds=1)


def test_malformed_copies_have_ids_of_their_own():
    ids = {json.loads(record.value)["event_id"] for record in records() if record.kind in ("event", "late")}
    damaged = [
        json.loads(r.value)["event_id"]
        for r in records()
        if r.kind in ("injection", "injected_device", "too_late", "oversized")
    ]
    assert damaged
    assert ids.isdisjoint(damaged)


def test_the_null_key_is_one():
    assert {record.key is None for record in records() if record.kind == "null_key"} == {True}
    assert None not in {record.key for record in records() if record.kind != "null_key"}


def test_late_events_stay_within_what_the_contract_allows():
    strict = replace(contracts.load("ecommerce"), max_late=timedelta(minutes=12))
    assert Faults(strict, Rates(), dict, ()).late_minutes == (0.1, 4.5)


@pytest.mark.parametrize("dimensions", [contracts.load("ecommerce").dimensions, ()], ids=["a device", "none"])
def test_a_conflict_has_the_id_and_other_contents(dimensions: tuple[contracts.Dimension, ...]):
    faults = Faults(replace(contracts.load("ecommerce"), dimensions=dimensions), Rates(), dict, ())
    record = next(record for record in records() if record.kind == "event")
    event, rng = json.loads(record.value), random.Random(1)
    others = [json.loads(faults.conflicting(record, event, rng).value) for _ in range(20)]
    assert {other["event_id"] for other in others} == {event["event_id"]}
    assert all(other != event for other in others)
    assert {other["device"] == event["device"] for other in others} == {not dimensions}
