"""How long events waited, from when they were created and what was counted at which time."""

from __future__ import annotations

import numpy as np
import pytest

from bench import latency

CREATED = np.array([10.0, 10.5, 11.0, 14.0])


def test_an_event_waits_until_the_count_reaches_it():
    counts = [(10.2, 0), (11.2, 2), (12.0, 2), (12.5, 3), (14.1, 4), (15.0, 4)]
    assert latency.waited_s(CREATED, counts) == pytest.approx([1.2, 0.7, 1.5, 0.1])


def test_a_stall_counts_with_every_event_that_waits_through_it():
    created = np.arange(0, 10, 0.01)
    counts = [(float(second), 100 * second) for second in range(6)] + [(10.0, 1000)]  # nothing between 5 and 10
    assert latency.percentiles_ms(latency.waited_s(created, counts)) == pytest.approx((833, 4500, 4900), abs=15)


def test_what_was_not_counted_has_no_latency():
    with pytest.raises(ValueError, match="4 events were created, 3 were counted"):
        latency.waited_s(CREATED, [(10.2, 0), (20.0, 3)])


def test_the_table_is_in_seconds():
    found = latency.Latencies(1_000, 40_000, (550, 1_040, 1_210), (900, 1_500, 1_900))
    assert latency.table([found]).splitlines() == [
        "| events/s | committed p50 | committed p95 | committed p99 | seen p50 | seen p95 | seen p99 |",
        "|--:|--:|--:|--:|--:|--:|--:|",
        "| 1,000 | 0.55 s | 1.04 s | 1.21 s | 0.90 s | 1.50 s | 1.90 s |",
    ]
