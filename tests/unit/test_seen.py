"""The ids that were counted: what is new, exactly."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.seen import SeenIds, by_minute

START = datetime(2026, 3, 14, 15, 9)  # noqa: DTZ001 - naive, as MySQL has it
# Few different ids, and such that differ only in zero bytes at either end.
IDS = st.sampled_from([bytes(16), bytes(15) + b"\1", b"\1" + bytes(15), b"\1" * 8 + bytes(8), b"\xff" * 16, b"a" * 16])
EVENTS = st.lists(st.tuples(st.integers(0, 2).map(lambda m: START + timedelta(minutes=m)), IDS), max_size=20)


def frame(events: list[tuple[datetime, bytes]]) -> pl.DataFrame:
    return pl.DataFrame(events, schema={"minute": pl.Datetime("us"), "event_id": pl.Binary}, orient="row")


@given(st.lists(EVENTS, max_size=5))
def test_each_id_is_new_once(batches: list[list[tuple[datetime, bytes]]]) -> None:
    seen, known = SeenIds(), set()
    for batch in batches:
        events = frame(batch)
        new = seen.is_new(events)
        for event, is_new in zip(batch, new, strict=True):
            assert is_new == (event not in known)
            known.add(event)
        for minute, ids in by_minute(events.filter(new)):
            seen.add(minute, ids)
        assert len(seen) == len(known)


def test_asking_changes_nothing() -> None:
    seen, events = SeenIds(), frame([(START, bytes(16))])
    assert seen.is_new(events).to_list() == [True]
    assert seen.is_new(events).to_list() == [True]


def test_forgets_whole_minutes() -> None:
    seen = SeenIds()
    for minute in range(3):
        seen.add(START + timedelta(minutes=minute), bytes(16))
    seen.forget(START + timedelta(minutes=1))
    assert sorted(seen.minutes) == [START + timedelta(minutes=1), START + timedelta(minutes=2)]
