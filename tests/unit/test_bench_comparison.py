"""What the baselines are measured and checked by."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bench import comparison
from bench.__main__ import FORMS, PUBLISHED
from bench.baselines import dataflow, measured, stores
from bench.end_to_end import Drained

MINUTE = datetime(2026, 11, 22, 12, 1, tzinfo=UTC).replace(tzinfo=None)
EVENT = {
    "event_name": "purchase",
    "occurred_at": "2026-11-22T12:01:59.999Z",
    "country": "DE",
    "device": "mobile",
    "reporting_value": 1999,
}


def test_an_event_adds_one_to_each_dimension():
    assert list(stores.counted(EVENT)) == [
        ("event_name", MINUTE, "purchase", 1999),
        ("country", MINUTE, "DE", 1999),
        ("device", MINUTE, "mobile", 1999),
        ("source", MINUTE, "(direct)", 1999),
    ]


def test_only_purchases_add_cents():
    assert {cents for *_, cents in stores.counted({**EVENT, "event_name": "refund"})} == {0}


def test_a_source_is_counted_under_its_name():
    assert ("source", MINUTE, "google", 1999) in stores.counted({**EVENT, "utm_source": "google"})


def test_state_is_added_to():
    state, row = dataflow.added(None, ("country", MINUTE, "DE", 5))
    assert row == ("country", MINUTE, "DE", 1, 5)
    assert dataflow.added(state, ("country", MINUTE, "DE", 7)) == ((2, 12), ("country", MINUTE, "DE", 2, 12))


def test_the_clock_starts_when_a_quarter_is_through(monkeypatch):
    times = iter([10.0, 40.0])
    monkeypatch.setattr(measured.time, "monotonic", lambda: next(times))
    clock = measured.Clock(1000)
    for done in (0, 249, 300, 900):
        clock.at(done)
    found = clock.stopped()
    assert found == measured.Measured(records=700, seconds=30.0)
    assert found.rate == pytest.approx(23.33, abs=0.01)


def test_a_clock_that_never_started_has_no_rate():
    with pytest.raises(ValueError, match="never started"):
        measured.Clock(1000).stopped()


def a_round(**rates: float) -> comparison.Round:
    return comparison.Round(rates, Drained(500_000, 50.0, {}, {"kafka": 5.0, "mysql": 10.0}, 0))


def test_the_ratio_is_taken_within_a_round():
    rounds = [
        a_round(Tillstream=900, windows=300),
        a_round(Tillstream=1000, windows=250),
        a_round(Tillstream=500, windows=250),
    ]
    ours, theirs = comparison.table(rounds).splitlines()[2:]
    assert ours.endswith("| 900 | 1 |")
    assert theirs.endswith("| 250 | 3.00 (2.00 to 4.00) |")


@pytest.mark.parametrize(
    ("published", "said"),
    [
        ({"rows": 40.0, "windows": 3.0}, []),
        ({"rows": 40.0, "windows": 8.1}, ["windows: 4.00 times as fast, 8.10 were published"]),
        ({"limit": 99.0}, []),  # not in this run
    ],
)
def test_a_ratio_may_fall_to_half(published, said):
    assert comparison.fallen([a_round(Tillstream=1000, windows=250, rows=20)], published) == said


def test_costs_are_per_million_records():
    assert comparison.cost_table([a_round(Tillstream=1000)]).splitlines()[2:] == [
        "| kafka | 10.0 |",
        "| mysql | 20.0 |",
        "| all | 30.0 |",
    ]


def test_every_form_has_published_ratios_of_baselines_that_it_runs():
    published = json.loads(PUBLISHED.read_text())
    assert published.keys() == FORMS.keys()
    assert all(published[form].keys() <= set(names) for form, (_, _, names) in FORMS.items())
