"""Which faults happen, and that the docs say of each what it is."""

from __future__ import annotations

from collections import Counter

import pytest

from chaos import course
from chaos.fault import FAULTS, table
from chaos.fuzz import verdicts
from settings import ROOT


def names(rounds: list[course.Round]) -> list[str]:
    return [fault.name for part in rounds for fault in part.faults]


def test_the_same_seed_gives_the_same_course_and_another_one_another() -> None:
    assert course.plan(1, 40, 1000, 2) == course.plan(1, 40, 1000, 2)
    assert names(course.plan(1, 40, 1000, 2)) != names(course.plan(2, 40, 1000, 2))


@pytest.mark.parametrize("seed", range(5))
def test_a_long_course_has_every_fault_and_as_many_of_each_as_it_goes(seed: int) -> None:
    rounds = course.plan(seed, 100, 5_000_001, 4)
    counted = Counter(names(rounds))
    assert counted.total() == 100
    assert counted.keys() == FAULTS.keys()
    assert {counted[fault.name] for fault in FAULTS.values() if fault.rebuilds} == {1}
    others = [counted[fault.name] for fault in FAULTS.values() if not fault.rebuilds]
    assert max(others) - min(others) <= 1
    assert sum(part.events for part in rounds) >= 5_000_001
    assert max(len(part.faults) for part in rounds) - min(len(part.faults) for part in rounds) <= 2


def test_a_short_course_rebuilds_once() -> None:
    [part] = course.plan(1, 6, 0, 1)
    assert [fault.rebuilds for fault in part.faults] == [True, False, False, False, False, False]


def test_the_docs_have_every_fault_and_its_outcome() -> None:
    assert table() in (ROOT / "docs" / "operations.md").read_text()


def test_damaged_records_get_a_verdict() -> None:
    counted = sum(verdicts(seed=2, count=10_000), Counter())
    assert counted.total() == 10_000
    assert counted["good"] > 500
    assert {"schema", "not_json", "not_utf8", "too_large", "empty"} <= counted.keys()
