"""The ids that were counted: what is new, exactly, and what is other than what was counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs import seen as module
from spark_jobs.seen import CONFLICT, COPY, EVENT, SeenIds, by_minute
from spark_jobs.slices import digests

START = datetime(2026, 3, 14, 15, 9)  # noqa: DTZ001 - naive, as MySQL has it
# Few different ids, and such that differ only in zero bytes at either end.
IDS = st.sampled_from([bytes(16), bytes(15) + b"\1", b"\1" + bytes(15), b"\1" * 8 + bytes(8), b"\xff" * 16, b"a" * 16])
MINUTES = st.sampled_from([0, 1, 15, 70]).map(lambda minute: START + timedelta(minutes=minute))
EVENTS = st.lists(st.tuples(MINUTES, IDS, st.integers(1, 2)), max_size=20)
Event = tuple[datetime, bytes, int]


def frame(events: list[Event]) -> pl.DataFrame:
    schema = {"minute": pl.Datetime("us"), "event_id": pl.Binary, "digest": pl.UInt64}
    return pl.DataFrame(events, schema=schema, orient="row")


def add(seen: SeenIds, events: pl.DataFrame) -> None:
    for counted in by_minute(events):
        seen.add(*counted)


@given(st.lists(EVENTS, max_size=5))
def test_each_id_is_new_once(batches: list[list[Event]]) -> None:
    seen, known = SeenIds(), {}
    for batch in batches:
        events = frame(batch)
        outcomes = seen.outcomes(events)
        for (_, event_id, digest), outcome in zip(batch, outcomes, strict=True):
            expected = EVENT if event_id not in known else COPY if known[event_id] == digest else CONFLICT
            assert outcome == expected
            known.setdefault(event_id, digest)
        add(seen, events.filter(outcomes == EVENT))
        assert len(seen) == len(known)


def test_asking_changes_nothing() -> None:
    seen, events = SeenIds(), frame([(START, bytes(16), 1)])
    assert seen.outcomes(events).to_list() == [EVENT]
    assert seen.outcomes(events).to_list() == [EVENT]


def test_what_was_counted_before_digests_were_kept_is_a_copy_of_anything() -> None:
    seen = SeenIds()
    seen.add(START, bytes(16), bytes(8))
    assert seen.outcomes(frame([(START, bytes(16), 7)])).to_list() == [COPY]
    assert seen.holds(frame([(START, bytes(16), 7)])).to_list() == [True]


def test_what_is_held_is_that_event_in_that_minute() -> None:
    seen = SeenIds()
    add(seen, frame([(START, bytes(16), 7)]))
    other_minute = START + timedelta(minutes=1)
    asked = frame([(START, bytes(16), 7), (START, bytes(16), 8), (other_minute, bytes(16), 7), (START, b"a" * 16, 7)])
    assert seen.holds(asked).to_list() == [True, False, False, False]


def test_forgets_whole_minutes_and_their_filters() -> None:
    seen = SeenIds()
    for minute in (0, 1, 40):
        add(seen, frame([(START + timedelta(minutes=minute), bytes([minute]) * 16, 1)]))
    seen.forget(START + timedelta(minutes=1))
    assert sorted(seen.minutes) == [START + timedelta(minutes=1), START + timedelta(minutes=40)]
    assert len(seen.filters) == 2
    seen.forget(START + timedelta(minutes=2))
    assert len(seen.filters) == 1


@pytest.mark.parametrize("kind", ["random", "counted", "by time"])
def test_a_filter_says_no_to_nearly_all_that_it_has_not(kind: str) -> None:
    numbers = np.arange(200_000, dtype=">u8")
    ids = {
        "random": np.random.default_rng(7).bytes(16 * len(numbers)),
        "counted": np.column_stack([np.zeros_like(numbers), numbers]).tobytes(),
        "by time": np.column_stack([numbers << np.uint64(16), np.full_like(numbers, 0x8000_0000_0000_0001)]).tobytes(),
    }[kind]
    hashes = module.hashes_of(np.frombuffer(ids, dtype="S16"))
    held, others = hashes[::2], hashes[1::2]
    found = module.Filter(len(held))
    found.add(held)
    assert found.perhaps(held).all()
    assert found.perhaps(others).mean() < 0.01


def test_a_digest_is_what_is_in_the_stores_already() -> None:
    expected = ["e4a6a0577479b2b4", blake2b(b'{"a": 1}', digest_size=8).hexdigest()]
    assert [f"{number:016x}" for number in module.digests([b"", b'{"a": 1}'])] == expected


def test_a_rejected_record_has_no_digest() -> None:
    found = digests([b"1", None, b"2"], pl.Series([None, "empty", "schema"], dtype=pl.String))
    assert found.is_null().to_list() == [False, True, True]
