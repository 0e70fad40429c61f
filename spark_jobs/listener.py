"""Hears from Spark how its queries get on, and writes it to MySQL, for the charts of the pipeline's health.

Spark waits for its listeners, and the queries must not wait for MySQL. So the listener only puts a report into a
bounded queue, and a thread of its own writes every few seconds what is there, in one transaction. While MySQL is away
the thread waits with growing pauses; reports that find the queue full are dropped and counted.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark import SparkContext
from pyspark.sql.streaming import StreamingQueryListener
from pyspark.sql.streaming.listener import (
    JStreamingQueryListener,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
)

from settings import Settings
from spark_jobs.lag import Lag, LagMeter
from spark_jobs.query_progress import Report, report
from spark_jobs.sinks.query_progress import ProgressSink
from stores.offsets import Offsets
from stores.retry import Unavailable, retry

log = logging.getLogger(__name__)

WRITE_EVERY_S = 2.0
AFTER_ERROR_S = 60.0
LAST_WRITE_S = 5.0
MOST_REPORTS = 1000
"""Some minutes of both queries. What waits in MySQL's absence is small, but has a bound."""


class Reports:
    """A bounded queue of reports with one reader, which takes them away only once they are written."""

    def __init__(self, most: int = MOST_REPORTS) -> None:
        self.most = most
        self.dropped = 0
        self._waiting: deque[Report] = deque()

    def offer(self, told: Report) -> None:
        """Never blocks: drops the report, and counts it, where the queue is full."""
        if len(self._waiting) < self.most:
            self._waiting.append(told)
        else:
            self.dropped += 1

    def waiting(self) -> list[Report]:
        return list(self._waiting.copy())  # of a copy: it may grow meanwhile

    def written(self, count: int) -> None:
        """Takes the oldest ones away."""
        for _ in range(count):
            self._waiting.popleft()


class Bridge(JStreamingQueryListener):
    """What the JVM calls. It takes an event as Spark's own JSON. PySpark would ask the JVM for one value after the
    other, a hundred times as long: 70 ms a micro-batch."""

    def onQueryProgress(self, jevent: Any) -> None:  # noqa: N802 - Spark's name, as all here
        self.pylistener.hear(jevent.progress().json())


class Listener(StreamingQueryListener):
    """Puts a report of every micro-batch into its domain's queue. What goes wrong is logged: no query fails by it."""

    def __init__(self, reports: Mapping[str, Reports]) -> None:
        self.reports = reports

    @property
    def _jlistener(self) -> Any:
        return SparkContext._jvm.PythonStreamingQueryListenerWrapper(Bridge(self))

    def hear(self, progress: str) -> None:
        """Takes a progress event as JSON."""
        try:
            told = report(json.loads(progress))
            self.reports[told.domain].offer(told)
        except Exception:
            log.exception("a query's progress can't be read: %s", progress)

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        self.hear(event.progress.json)

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802
        pass

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        pass


class Recorder:
    """Writes a domain's reports, and how far each of its queries is behind Kafka, which Spark does not tell while one
    stands still.

    `reached`: query -> the offsets at which it starts.
    """

    def __init__(self, settings: Settings, reports: Reports, reached: Mapping[str, Offsets]) -> None:
        self.reports = reports
        self.reached = dict(reached)
        self.dropped = 0
        self.meter = LagMeter(settings)
        self.sink = ProgressSink(settings)

    def run(self, stopping: threading.Event) -> None:
        """Records until told to stop, and once more then; patient while MySQL is away."""
        pause_s = WRITE_EVERY_S
        while True:
            stopped = stopping.wait(pause_s)
            try:
                retry(self.record, "the queries' progress")
                pause_s = WRITE_EVERY_S
            except Exception:
                pause_s = AFTER_ERROR_S
                log.exception("the queries' progress is not recorded, next try in %.0f s", pause_s)
                self.close()
            if stopped:
                break
        self.close()

    def close(self) -> None:
        self.meter.close()
        self.sink.close()

    def record(self) -> None:
        """Writes what is waiting. Raises Unavailable."""
        if self.reports.dropped > self.dropped:
            self.dropped = self.reports.dropped
            log.warning("%d reports of micro-batches were dropped until now: MySQL was away too long", self.dropped)
        told = self.reports.waiting()
        self.reached |= {one.query: one.end for one in told}
        lags = self.lags()
        self.sink.write(told, lags)
        self.reports.written(len(told))

    def lags(self) -> dict[str, Lag]:
        """The lag of each query; of none while Kafka is away."""
        try:
            return {query: self.meter.behind(offsets) for query, offsets in self.reached.items()}
        except Unavailable as outage:
            log.warning("the lag is unknown: %s", outage)
            return {}


@contextmanager
def recording(reached: Mapping[Settings, Mapping[str, Offsets]]) -> Iterator[Listener]:
    """A listener whose reports are written until the end. `reached`: settings of a domain -> as for its Recorder."""
    stopping, reports, threads = threading.Event(), {}, []
    for settings, offsets in reached.items():
        reports[settings.domain] = Reports()
        recorder = Recorder(settings, reports[settings.domain], offsets)
        name = f"query-progress-{settings.domain}"
        threads.append(threading.Thread(target=recorder.run, args=(stopping,), name=name, daemon=True))
        threads[-1].start()
    try:
        yield Listener(reports)
    finally:
        stopping.set()
        until = time.monotonic() + LAST_WRITE_S  # not longer: a store may be away
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
