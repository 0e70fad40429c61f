"""Which records go together, and when."""

from itertools import count
from threading import Event as Flag

import pytest

from producer import pace
from producer.records import Record


def at(seconds: float) -> Record:
    return Record(int(seconds * 1000), b"", b"", "event", "view_item", 0, 0)


class Clock:
    """Stands still except for what is waited."""

    def __init__(self, monkeypatch) -> None:
        self.now_s = 1_000.0
        monkeypatch.setattr(pace, "time", lambda: self.now_s)

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> bool:
        self.now_s += seconds
        return False


def test_unpaced_batches_are_full(monkeypatch):
    monkeypatch.setattr(pace, "BATCH_RECORDS", 3)
    assert [len(batch) for batch in pace.unpaced([at(0)] * 7, Flag())] == [3, 3, 1]


def test_unpaced_stops_when_told():
    stop = Flag()
    batches = pace.unpaced((at(0) for _ in count()), stop)
    next(batches)
    stop.set()
    assert list(batches) == []


def test_live_sends_the_past_at_once_and_the_rest_in_time(monkeypatch):
    clock = Clock(monkeypatch)
    records = [at(900), at(950), at(1_000), at(1_010), at(1_010.01), at(1_020)]
    seen = [(clock.now_s, [record.at_ms / 1000 for record in batch]) for batch in pace.live(records, clock)]
    assert seen == [
        (1_000, [900, 950, 1_000]),
        (1_010, [1_010]),
        (pytest.approx(1_010.1), [1_010.01]),
        (1_020, [1_020]),
    ]


def test_live_gathers_what_falls_into_a_tick(monkeypatch):
    clock = Clock(monkeypatch)
    batches = list(pace.live([at(1_000 + number / 1_000) for number in range(1, 200)], clock))
    assert len(batches) < 5
    assert sum(map(len, batches)) == 199


def test_live_never_sends_before_the_time(monkeypatch):
    clock = Clock(monkeypatch)
    for batch in pace.live([at(1_000 + number / 7) for number in range(50)], clock):
        assert all(record.at_ms / 1000 <= clock.now_s + 1e-6 for record in batch)


def test_live_gives_up_what_is_too_old(monkeypatch):
    clock = Clock(monkeypatch)
    batches = pace.live([at(995), at(1_001), at(1_002)], clock, farthest_s=(10, 60))
    assert len(next(batches)) == 1
    clock.now_s += 9  # an outage that is short enough
    assert len(next(batches)) == 2


def test_live_sends_nothing_after_too_long_an_outage(monkeypatch):
    clock = Clock(monkeypatch)
    batches = pace.live([at(995), at(1_001), at(1_002)], clock, farthest_s=(10, 60))
    assert len(next(batches)) == 1
    clock.now_s += 3_600
    with pytest.raises(pace.OutOfStep):
        next(batches)


def test_live_does_not_wait_for_a_clock_that_was_put_back(monkeypatch):
    clock = Clock(monkeypatch)
    batches = pace.live([at(995), at(1_001), at(1_050)], clock, farthest_s=(10, 60))
    assert len(next(batches)) == 1
    clock.now_s -= 3_600
    with pytest.raises(pace.OutOfStep):
        next(batches)
