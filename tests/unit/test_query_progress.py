"""What Spark tells of its queries: into rows, once each, and never in the queries' way."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql.streaming.listener import QueryProgressEvent, StreamingQueryProgress

from settings import Settings
from spark_jobs.lag import Lag
from spark_jobs.listener import Listener, Recorder, Reports
from spark_jobs.merge import combine
from spark_jobs.query_progress import Report, last_batches, new, progress_by_minute, report, rows_of
from stores.offsets import waiting
from stores.retry import Unavailable

# Progress events as Spark 4.2 sent them.
RECORDED = json.loads((Path(__file__).parents[1] / "cases" / "query_progress.json").read_text())
AT = datetime(2026, 3, 14, 15, 9, 26)  # noqa: DTZ001 - naive, as MySQL has it
PHASES_MS = {"offsets_ms": 5, "planning_ms": 15, "work_ms": 800, "log_ms": 80}
ONE = Report("ecommerce", "archive", "id", 7, AT, 100, 900, PHASES_MS, {0: 9})


def event() -> QueryProgressEvent:
    return QueryProgressEvent(StreamingQueryProgress.fromJson(RECORDED[0]["progress"]))


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case["progress"]["name"])
def test_what_spark_sent(case: dict) -> None:
    told = report(case["progress"])
    expected = case["report"]
    assert {**asdict(told), "ended_at": told.ended_at.isoformat()} == {
        **expected,
        "end": {int(partition): offset for partition, offset in expected["end"].items()},
    }


def test_a_slow_reader_never_holds_up_the_query() -> None:
    reports = Reports(most=3)
    listener = Listener({"ecommerce": reports})
    for _ in range(5):
        listener.onQueryProgress(event())
    assert len(reports.waiting()) == 3
    assert reports.dropped == 2
    reports.written(2)
    listener.onQueryProgress(event())
    assert len(reports.waiting()) == 2
    assert reports.dropped == 2


def test_what_can_t_be_read_fails_no_query(caplog: pytest.LogCaptureFixture) -> None:
    reports = Reports()
    Listener({"ecommerce": reports}).hear('{"name": "ecommerce.archive"}')
    assert reports.waiting() == []
    assert "can't be read" in caplog.text


def test_a_micro_batch_counts_once() -> None:
    told = [replace(ONE, batch_id=n) for n in (5, 6, 7, 7)]
    assert [one.batch_id for one in new(told, {"archive": ("id", 5)})] == [6, 7]
    assert [one.batch_id for one in new(told, {"aggregate": ("id", 9)})] == [5, 6, 7]
    # A rebuild begins another checkpoint, and its micro-batches are numbered from 0.
    assert [one.batch_id for one in new([replace(ONE, batch_id=0)], {"archive": ("old", 9)})] == [0]


def test_rows_are_added_up_by_minute_and_query() -> None:
    told = [ONE, replace(ONE, batch_id=8, duration_ms=300), replace(ONE, ended_at=AT + timedelta(minutes=1))]
    rows = rows_of(told, {"archive": Lag(40, 1500), "aggregate": Lag(0, 0)}, AT)
    found = {(row["minute"].minute, row["query"]): row for row in combine(progress_by_minute, rows).to_dicts()}
    assert set(found) == {(9, "archive"), (10, "archive"), (9, "aggregate")}
    row = found[9, "archive"]
    assert (row["batches"], row["records"], row["duration_ms"], row["longest_ms"]) == (2, 200, 1200, 900)
    assert (row["offsets_ms"], row["planning_ms"], row["work_ms"], row["log_ms"]) == (10, 30, 1600, 160)
    assert (row["lag_records"], row["lag_ms"]) == (40, 1500)
    assert found[9, "aggregate"]["batches"] == 0


def test_the_last_micro_batch_of_each_query() -> None:
    told = [ONE, replace(ONE, query="aggregate", batch_id=3), replace(ONE, batch_id=8)]
    assert last_batches(told).sort("query").select("query", "batch_id").rows() == [("aggregate", 3), ("archive", 8)]


def test_nothing_told_is_no_row() -> None:
    assert rows_of([], {}, AT).height == 0
    assert last_batches([]).height == 0


def test_what_is_waiting_in_kafka() -> None:
    assert waiting({0: 5, 1: 7}, {0: 9, 1: 7, 2: 4}) == {0: 5, 2: 0}
    assert waiting({0: 9}, {0: 9}) == {}


class Sink:
    """A MySQL that is away at first."""

    def __init__(self, outages: int) -> None:
        self.outages, self.written = outages, []

    def write(self, reports: list[Report], lags: dict[str, Lag]) -> None:
        if self.outages:
            self.outages -= 1
            raise Unavailable("away")
        self.written.append((reports, lags))

    def close(self) -> None:
        pass


class Meter:
    """A Kafka with 10 records in partition 0, or one that is away."""

    away = False

    def behind(self, reached: dict[int, int]) -> Lag:
        if self.away:
            raise Unavailable("away")
        return Lag(10 - reached[0], 0)

    def close(self) -> None:
        pass


@pytest.fixture
def recorder() -> Recorder:
    recorder = Recorder(Settings(), Reports(), {"archive": {0: 4}})
    recorder.sink, recorder.meter = Sink(outages=0), Meter()
    return recorder


def test_reports_outlive_an_outage_of_mysql(recorder: Recorder) -> None:
    recorder.sink = Sink(outages=1)
    recorder.reports.offer(ONE)
    with pytest.raises(Unavailable):
        recorder.record()
    recorder.record()
    recorder.record()
    assert recorder.sink.written == [([ONE], {"archive": Lag(1, 0)}), ([], {"archive": Lag(1, 0)})]


def test_a_query_that_stands_still_from_its_start_is_behind(recorder: Recorder) -> None:
    assert recorder.lags() == {"archive": Lag(6, 0)}


def test_no_lag_is_made_up_while_kafka_is_away(recorder: Recorder) -> None:
    recorder.meter.away = True
    recorder.reports.offer(ONE)
    recorder.record()
    assert recorder.sink.written == [([ONE], {})]


def test_the_last_reports_are_written_at_the_end(recorder: Recorder) -> None:
    recorder.sink = Sink(outages=1)
    recorder.reports.offer(ONE)
    stopping = threading.Event()
    stopping.set()
    recorder.run(stopping)
    assert recorder.sink.written == [([ONE], {"archive": Lag(1, 0)})]
