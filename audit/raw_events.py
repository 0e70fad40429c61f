"""The raw events behind a number: those of a minute, a session or an order, out of Cassandra."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cassandra.concurrent import execute_concurrent_with_args

from settings import Settings
from spark_jobs.sinks.cassandra import SHARDS, shard
from stores import cassandra, mysql

MINUTE = timedelta(minutes=1)


class UnknownSession(LookupError):  # noqa: N818 - it says what happened
    """MySQL has no such session (any more)."""


def of_minute(settings: Settings, minute: datetime) -> Iterator[str]:
    """Payloads of the events that occurred in a minute (UTC), by session and time. Raises Outage."""
    keys = [(minute.replace(second=0, microsecond=0), number) for number in range(SHARDS)]
    yield from _read(settings, "SELECT payload FROM events WHERE minute = ? AND shard = ?", keys)


def of_session(settings: Settings, session_id: UUID) -> Iterator[str]:
    """Payloads of a session's events, by time. Its minutes come from MySQL. Raises UnknownSession, Outage."""
    with mysql.connected(settings, "reader", settings.domain) as connection:
        found = mysql.query(
            connection, "SELECT first_seen, last_seen FROM sessions WHERE session_id = %s", (session_id.bytes,)
        )
    if not found:
        raise UnknownSession(f"MySQL has no session {session_id}; it keeps {settings.mysql_retention_days} days")
    first, last = (time.replace(tzinfo=UTC) for time in found[0])
    minutes = [first.replace(second=0, microsecond=0)]
    while minutes[-1] + MINUTE <= last:
        minutes.append(minutes[-1] + MINUTE)
    keys = [(minute, shard(session_id.bytes), session_id) for minute in minutes]
    yield from _read(settings, "SELECT payload FROM events WHERE minute = ? AND shard = ? AND session_id = ?", keys)


def of_order(settings: Settings, transaction_id: UUID) -> Iterator[str]:
    """Payloads of the events that carry an order's id, by time. Raises Outage."""
    yield from _read(settings, "SELECT payload FROM events_by_order WHERE transaction_id = ?", [(transaction_id,)])


def _read(settings: Settings, select: str, keys: list[tuple]) -> Iterator[str]:
    with cassandra.connected(settings, "reader", settings.domain) as session, cassandra.outages():
        for _, rows in execute_concurrent_with_args(session, session.prepare(select), keys, results_generator=True):
            for row in rows:
                yield row.payload
