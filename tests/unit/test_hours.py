"""Verify: which hours are looked at, which were proven before, and of which nothing can be said any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

import contracts
from audit.hours import CLOCKS_DIFFER, is_sealed, told_apart
from stores.hour import HOUR
from stores.proven_hours import ProvenHour, as_json, from_json
from stores.time_to_live import BEGINNING, TimeToLive, is_kept

TWELVE = datetime(2026, 3, 14, 12, tzinfo=UTC)
NOW = TWELVE + timedelta(minutes=40)
DAY = timedelta(days=1)
MONTH = [TimeToLive(BEGINNING, 30)]
CONTRACT = contracts.load("ecommerce")


def hour(number: int) -> datetime:
    return TWELVE.replace(hour=number)


def proven(*numbers: int) -> dict[datetime, ProvenHour]:
    return {hour(number): ProvenHour(hour(number), 1, 0, 0, 0) for number in numbers}


def test_nothing_is_proven_at_first() -> None:
    """What was passed over beside the event of nine o'clock may have occurred before it."""
    found = told_apart({}, {hour(9)}, MONTH, CONTRACT, NOW)
    assert (found.proven, found.expired, found.since) == ({}, frozenset(), hour(6))
    assert hour(9) - found.since >= CONTRACT.max_late + CONTRACT.max_future
    assert found.to_look_at == [hour(number) for number in range(6, 13)]


def test_without_a_record_there_is_little_to_look_at() -> None:
    assert told_apart({}, set(), MONTH, CONTRACT, NOW).to_look_at == [hour(9), hour(10), hour(11), hour(12)]


def test_the_hour_ahead_is_looked_at_as_soon_as_an_event_may_be_in_it() -> None:
    ahead = CONTRACT.max_future + CLOCKS_DIFFER
    assert told_apart({}, set(), MONTH, CONTRACT, TWELVE - ahead).to_look_at[-1] == hour(12)
    assert told_apart({}, set(), MONTH, CONTRACT, TWELVE - ahead - timedelta(seconds=1)).to_look_at[-1] == hour(11)


def test_what_was_proven_is_not_looked_at_again() -> None:
    found = told_apart(proven(5, 6, 7, 8, 10), {hour(8)}, MONTH, CONTRACT, NOW)
    assert found.proven == proven(5, 6, 7, 8, 10)
    assert found.to_look_at == [hour(9), hour(11), hour(12)]


def test_an_hour_is_sealed_when_no_event_of_it_is_accepted_any_more() -> None:
    sealed_at = hour(9) + HOUR + CONTRACT.max_late + CLOCKS_DIFFER
    assert is_sealed(hour(9), CONTRACT, sealed_at)
    assert not is_sealed(hour(9), CONTRACT, sealed_at - timedelta(seconds=1))


def test_of_what_expired_only_what_was_proven_is_known() -> None:
    at = NOW + 30 * DAY
    found = told_apart(proven(10), {hour(9), hour(12)}, MONTH, CONTRACT, at)
    assert found.proven == proven(10)
    assert found.expired == {hour(9), hour(12)}  # in the others nothing occurred
    assert found.since == hour(14)
    assert len(found.to_look_at) == 30 * 24 - 1


def test_everything_is_what_is_kept() -> None:
    at = NOW + 30 * DAY
    everything = told_apart(proven(10, 14), {hour(9)}, MONTH, CONTRACT, at, everything=True)
    assert everything.proven == proven(10)
    assert everything.since == hour(14)


@pytest.mark.parametrize(
    ("lives", "days"),
    [
        ([30], 30),
        ([30, 7], 7),
        ([7, 30], 7),
        ([30, 7, 30], 7),
    ],
    ids=["one", "shortened", "made longer", "shortened for a while"],
)
def test_rows_are_kept_as_long_as_when_they_were_written(lives: list[int], days: int) -> None:
    """What was changed later is changed a day later each time."""
    changes = [TimeToLive(BEGINNING, lives[0])]
    changes += [TimeToLive(NOW + DAY * number, days) for number, days in enumerate(lives[1:], start=1)]
    assert is_kept(NOW, changes, NOW + days * DAY - HOUR - timedelta(seconds=1))
    assert not is_kept(NOW, changes, NOW + days * DAY - HOUR)


def test_rows_that_were_written_by_a_new_time_to_live_are_kept_for_it() -> None:
    changes = [TimeToLive(BEGINNING, 7), TimeToLive(NOW - 2 * HOUR, 30)]
    assert is_kept(NOW, changes, NOW + 29 * DAY)
    assert not is_kept(NOW - DAY, changes, NOW + 29 * DAY)


def test_what_letters_were_worth_is_remembered() -> None:
    mended = {(TWELVE, "purchase"): (2, 4998), (TWELVE, "view_item"): (1, 0)}
    assert from_json(as_json(mended)) == mended
    assert as_json({}) is None
    assert from_json(None) == {}
