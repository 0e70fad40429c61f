"""The pipeline's own figures, for `make status`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kafka import KafkaConsumer
from mysql.connector.abstracts import MySQLConnectionAbstract

from producer.ledger import NO_MINUTES, Ledger
from settings import Settings
from spark_jobs.pipeline_tables import APPENDED, BACKLOG
from stores import cassandra, mysql, progress
from stores.kafka import appended_ms, end_offsets, outages
from stores.offsets import Offsets, waiting
from stores.replayed import outcomes

LATENCY_OVER = timedelta(minutes=5)


@dataclass(frozen=True)
class Figures:
    """Counts are of records since the topic began. Lag is what Kafka has and a query has not done: in records, and
    the age of the oldest one in seconds. Over the last five minutes: latency is from the broker to the commit in MySQL,
    the 95th percentile in ms, of events that the broker took while the stream was caught up; None without any. Those
    that it took before had to wait: they are the backlog, and the longest that one waited is rounded up, in ms."""

    acknowledged: int
    archived: int
    aggregated: int
    duplicates: int
    rejected: int
    replayed: int
    archive_lag: int
    archive_lag_s: float
    aggregate_lag: int
    aggregate_lag_s: float
    latency_p95_ms: int | None
    backlog: int
    backlog_longest_ms: int


def read(settings: Settings) -> Figures:
    """The figures of the running stack. Raises Unavailable."""
    ledger = Ledger.read(settings.ledger_path, NO_MINUTES) if settings.ledger_path.exists() else None
    with (
        cassandra.connected(settings, "reader", settings.domain) as session,
        mysql.connected(settings, "reader", settings.domain) as connection,
    ):
        archive, aggregate = progress.archived(session), progress.aggregated(connection)
        replayed = len(outcomes(session))
        ends = end_offsets(settings)
        latency_p95_ms = percentile(latencies(connection, LATENCY_OVER), 0.95)
        backlog = latencies(connection, LATENCY_OVER, BACKLOG)
    return Figures(
        acknowledged=ledger.acknowledged if ledger else 0,
        archived=archive.records - archive.rejected + replayed,
        aggregated=aggregate.aggregated or 0,
        duplicates=aggregate.duplicates or 0,
        rejected=aggregate.rejected,
        replayed=replayed,
        archive_lag=archive.lag(ends),
        archive_lag_s=oldest_s(settings, archive.offsets, ends),
        aggregate_lag=aggregate.lag(ends),
        aggregate_lag_s=oldest_s(settings, aggregate.offsets, ends),
        latency_p95_ms=latency_p95_ms,
        backlog=sum(events for _, events in backlog),
        backlog_longest_ms=max((latency_ms for latency_ms, _ in backlog), default=0),
    )


def latencies(connection: MySQLConnectionAbstract, over: timedelta, of: str = APPENDED) -> list[tuple[int, int]]:
    """Latency from the broker to the commit in MySQL, lately: buckets (upper bound in ms, events), ascending; `of`
    APPENDED or BACKLOG."""
    since = (datetime.now(UTC) - over).replace(tzinfo=None)
    rows = mysql.query(
        connection,
        "SELECT latency_ms, SUM(events) FROM latency_by_minute WHERE minute >= %s AND since = %s "
        "GROUP BY latency_ms ORDER BY latency_ms",
        (since, of),
    )
    return [(int(latency_ms), int(events)) for latency_ms, events in rows]


def percentile(histogram: list[tuple[int, int]], share: float) -> int | None:
    """The smallest bucket (upper bound, count; ascending) below which at least this share of the counts lies."""
    total, below = sum(count for _, count in histogram), 0
    for bound, count in histogram:
        below += count
        if below >= share * total:
            return bound
    return None


def oldest_s(settings: Settings, offsets: Offsets, ends: Offsets) -> float:
    """The age in seconds of the oldest record that is waiting; 0 when none is. Raises Unavailable."""
    oldest = waiting(offsets, ends)
    if not oldest:
        return 0.0
    with outages():
        consumer = KafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
        try:
            appended = [appended_ms(consumer, settings.events_topic, p, offset) for p, offset in oldest.items()]
        finally:
            consumer.close()
    now_ms = datetime.now(UTC).timestamp() * 1000
    return max((now_ms - ms for ms in appended if ms is not None), default=0.0) / 1000


def table(figures: Figures) -> str:
    """The figures as lines for people."""
    latency = "-" if figures.latency_p95_ms is None else f"{figures.latency_p95_ms / 1000:.1f} s"
    longest = f" for {figures.backlog_longest_ms / 1000:.1f} s at most" if figures.backlog else ""
    return "\n".join(
        [
            f"acknowledged  {figures.acknowledged:>13,}  records, by the producer's ledger",
            f"archived      {figures.archived:>13,}  events in Cassandra, duplicates written over each other",
            f"aggregated    {figures.aggregated:>13,}  events in MySQL",
            f"duplicates    {figures.duplicates:>13,}  dropped",
            f"rejected      {figures.rejected:>13,}  in the dead letter, open",
            f"replayed      {figures.replayed:>13,}  dead letters that were found good later",
            f"archive lag   {figures.archive_lag:>13,}  records wait, the oldest for {figures.archive_lag_s:.1f} s",
            f"aggregate lag {figures.aggregate_lag:>13,}  records wait, the oldest for {figures.aggregate_lag_s:.1f} s",
            f"latency p95   {latency:>13}  from the broker to MySQL, over the last 5 minutes, while caught up",
            f"backlog       {figures.backlog:>13,}  events that came before that and had to wait{longest}",
        ]
    )
