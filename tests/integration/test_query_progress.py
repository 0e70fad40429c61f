"""How the queries get on, on real stores: the lag by Kafka's word, and every micro-batch once in MySQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

import pytest

from audit import figures
from local.native.stack import Stack
from producer.records import Record
from settings import Settings
from spark_jobs import aggregate, archive
from spark_jobs.lag import Lag, LagMeter
from spark_jobs.sinks.query_progress import ProgressSink
from stores import mysql
from stores.kafka import end_offsets
from tests.integration.pipeline import assert_exact, publish
from tests.integration.test_bad_input import as_record
from tests.unit.events import encoded, good_event
from tests.unit.test_query_progress import ONE
from tests.waiting import wait_for

pytestmark = pytest.mark.integration

WRITTEN_WITHIN_S = 30
CHECKPOINTS = {"aggregate": aggregate.checkpoint, "archive": archive.checkpoint}


def events(at: datetime, count: int) -> list[Record]:
    return [as_record(None, encoded(good_event(at=at, event_id=str(uuid4()))), "event") for _ in range(count)]


def test_the_lag_is_what_kafka_has_beyond_the_offsets(stack: Stack) -> None:
    settings = stack.settings
    meter = LagMeter(settings)
    try:
        ends = end_offsets(settings)
        assert meter.behind(ends) == Lag(0, 0)
        before = datetime.now(UTC)
        publish(settings, *events(before, 3))
        lag = meter.behind(ends)
        assert lag.records == 3
        assert 0 <= lag.ms <= (datetime.now(UTC) - before).total_seconds() * 1000
        assert meter.behind(end_offsets(settings)) == Lag(0, 0)
    finally:
        meter.close()


def test_a_write_whose_answer_got_lost_counts_once(stack: Stack) -> None:
    told = [replace(ONE, query="once", batch_id=n) for n in range(3)]
    sink = ProgressSink(stack.settings)
    sink.write(told[:2], {"once": Lag(5, 700)})
    sink.write(told, {"once": Lag(0, 0)})
    sink.write([], {"once": Lag(4, 100)})
    sink.close()
    with mysql.connected(stack.settings, "reader", stack.settings.domain) as connection:
        counted = mysql.query(
            connection,
            "SELECT SUM(batches), SUM(records), MAX(lag_records) FROM progress_by_minute WHERE query = 'once'",
        )
        last = mysql.query(connection, "SELECT batch_id, lag_records, lag_ms FROM queries WHERE query = 'once'")
    assert counted == [(3, 3 * ONE.records, 5)]
    assert last == [(2, 4, 100)]


def test_both_queries_tell_of_every_record(pipeline: Stack) -> None:
    # A Spark that was killed may not have told of its last micro-batch: this one has a next.
    publish_and_wait(pipeline, 50)
    events_before, told_before = counted(pipeline.settings), told(pipeline.settings)
    publish_and_wait(pipeline, 50)
    events_since = [now - then for now, then in zip(counted(pipeline.settings), events_before, strict=True)]
    assert events_since == [50, 50, 50]
    now = told(pipeline.settings)
    assert {query: now[query].records - told_before[query].records for query in CHECKPOINTS} == {
        "aggregate": 50,
        "archive": 50,
    }
    for query in CHECKPOINTS:
        assert now[query].duration_ms > told_before[query].duration_ms
        assert now[query].work_ms > told_before[query].work_ms


def test_what_had_to_wait_for_the_stream_is_told_apart(pipeline: Stack) -> None:
    settings = pipeline.settings
    pipeline.stop("spark")
    before = backlog(settings)
    publish(settings, *events(datetime.now(UTC), 30))
    pipeline.start("spark")
    assert_exact(pipeline)
    assert backlog(settings) == before + 30
    publish_and_wait(pipeline, 20)
    assert backlog(settings) == before + 30
    read = figures.read(settings)
    assert read.backlog >= 30
    assert read.backlog_longest_ms > 0


def backlog(settings: Settings) -> int:
    with mysql.connected(settings, "reader", settings.domain) as connection:
        [(events,)] = mysql.query(
            connection, "SELECT COALESCE(SUM(events), 0) FROM latency_by_minute WHERE since = 'backlog'"
        )
    return int(events)


def publish_and_wait(stack: Stack, count: int) -> None:
    """Returns when the stores have the events, and both queries have told of them."""
    publish(stack.settings, *events(datetime.now(UTC), count))
    assert_exact(stack)
    wait_for("both queries tell of their last micro-batch", lambda: up_to_date(stack.settings), WRITTEN_WITHIN_S)


def up_to_date(settings: Settings) -> bool:
    with mysql.connected(settings, "reader", settings.domain) as connection:
        last = dict(mysql.query(connection, "SELECT query, batch_id FROM queries"))
    return all(last.get(query) == of(settings).planned_batch() for query, of in CHECKPOINTS.items())


def counted(settings: Settings) -> tuple:
    """Events by how late they were, and by their two latencies."""
    with mysql.connected(settings, "reader", settings.domain) as connection:
        [sums] = mysql.query(
            connection,
            "SELECT (SELECT COALESCE(SUM(events), 0) FROM lateness_by_minute), "
            "COALESCE(SUM(IF(since = 'created', events, 0)), 0), COALESCE(SUM(IF(since <> 'created', events, 0)), 0) "
            "FROM latency_by_minute",
        )
    return sums


class Told(NamedTuple):
    """The sums of a query's micro-batches."""

    records: int
    duration_ms: int
    work_ms: int


def told(settings: Settings) -> dict[str, Told]:
    with mysql.connected(settings, "reader", settings.domain) as connection:
        rows = mysql.query(
            connection,
            "SELECT query, SUM(records), SUM(duration_ms), SUM(work_ms) FROM progress_by_minute GROUP BY query",
        )
    return {query: Told(*sums) for query, *sums in rows}
