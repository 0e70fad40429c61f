"""Which values of the settings are measured, and how they are told."""

from __future__ import annotations

import os

import pytest

from bench import sweep
from bench.end_to_end import Drained
from settings import Settings, load

DRAINED = Drained(500_000, 50.0, {}, {"kafka": 5.0, "mysql": 10.0}, 2**30)


@pytest.mark.parametrize("name", sorted(sweep.CANDIDATES.keys() - {sweep.CORES, sweep.WORKERS}))
def test_the_default_is_among_the_candidates_and_all_are_allowed(name):
    assert getattr(Settings(), name) in sweep.CANDIDATES[name]
    for value in sweep.CANDIDATES[name]:
        assert getattr(load({name.upper(): str(value)}), name) == value


def test_the_default_is_bold():
    slower = Drained(500_000, 100.0, {}, {"kafka": 5.0}, 2**30)
    assert sweep.line("kafka_partitions", Settings().kafka_partitions, [DRAINED, slower]) == (
        f"| kafka_partitions | **{Settings().kafka_partitions}** | 7,500 (5,000 to 10,000) | 20 | 1,024 |"
    )
    assert "| kafka_partitions | 99 |" in sweep.line("kafka_partitions", 99, [DRAINED])


def test_cores_are_given_back():
    before = os.sched_getaffinity(0)
    with sweep.on_cores(1):
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before
