"""Which events count: one an id, one an order; what was decided stays decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from contracts import BusinessKey
from spark_jobs.dedup import DECIDED, REPEAT, Dedup
from spark_jobs.seen import CONFLICT, COPY, EVENT

START = datetime(2026, 3, 14, 15, 9)  # noqa: DTZ001 - naive, as MySQL has it
KEY = BusinessKey("transaction_id", "event_name = 'purchase'")
SCHEMA = {
    "minute": pl.Datetime("us"),
    "event_id": pl.Binary,
    "digest": pl.UInt64,
    "event_name": pl.String,
    "transaction_id": pl.Binary,
}
Event = tuple[datetime, bytes, int, str, bytes | None]


def event(number: int, order: int | None = None, name: str = "purchase", digest: int = 1, minute: int = 0) -> Event:
    at = START + timedelta(minutes=minute)
    return at, number.to_bytes(16), digest, name, None if order is None else order.to_bytes(16)


def count(dedup: Dedup, *events: Event) -> list[str]:
    """What becomes of a micro-batch."""
    told = dedup.outcomes(pl.DataFrame(events, schema=SCHEMA, orient="row"))
    dedup.add(*dedup.new(told))
    return told["outcome"].to_list()


def test_an_order_counts_once_whoever_reports_it() -> None:
    dedup = Dedup(KEY)
    assert count(dedup, event(1, order=7), event(2, order=7), event(3, order=8)) == [EVENT, REPEAT, EVENT]
    assert count(dedup, event(4, order=7, minute=40), event(5, order=9)) == [REPEAT, EVENT]


def test_only_what_the_condition_names_is_told_by_its_key() -> None:
    dedup = Dedup(KEY)
    assert count(dedup, event(1, order=7), event(2, order=7, name="refund"), event(3), event(4)) == [EVENT] * 4


def test_without_a_business_key_ids_are_enough() -> None:
    assert count(Dedup(None), event(1, order=7), event(2, order=7), event(2, order=7)) == [EVENT, EVENT, COPY]


def test_a_repeat_is_known_by_its_id_as_well() -> None:
    dedup = Dedup(KEY)
    count(dedup, event(1, order=7), event(2, order=7))
    assert count(dedup, event(2, order=7), event(2, order=8, digest=9)) == [COPY, CONFLICT]


def test_a_conflict_takes_no_order_from_another_event() -> None:
    dedup = Dedup(KEY)
    assert count(dedup, event(1, order=7), event(1, order=8, digest=2)) == [EVENT, CONFLICT]
    assert count(dedup, event(2, order=8)) == [EVENT]


def test_what_was_decided_and_not_counted_stays_decided() -> None:
    """Where the stream goes back, partitions may be read in another order."""
    dedup = Dedup(KEY)
    decided = [(event(1)[1], 2, CONFLICT), (event(3)[1], 1, REPEAT)]
    dedup.decided = pl.DataFrame(decided, schema=DECIDED, orient="row")
    loser, repeat = event(1, order=5, digest=2), event(3, order=7)
    assert count(dedup, loser, event(1, order=6), repeat, event(4, order=7)) == [CONFLICT, EVENT, REPEAT, EVENT]
    assert count(dedup, loser, repeat) == [CONFLICT, COPY]
    assert len(dedup.ids) == 3


EVENTS = st.builds(
    event,
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(1, 3)),
    st.sampled_from(["purchase", "refund"]),
    st.integers(1, 2),
    st.sampled_from([0, 1, 30]),
)


@given(st.lists(EVENTS, max_size=12), st.lists(st.integers(0, 12), max_size=3))
def test_it_does_not_matter_where_micro_batches_end(events: list[Event], ends: list[int]) -> None:
    whole, parts = Dedup(KEY), Dedup(KEY)
    bounds = [0, *sorted(min(end, len(events)) for end in ends), len(events)]
    outcomes = [outcome for begin, end in pairwise(bounds) for outcome in count(parts, *events[begin:end])]
    assert outcomes == count(whole, *events)
