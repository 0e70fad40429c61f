"""What Cassandra has of an hour, counted event by event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import NamedTuple
from uuid import UUID

import msgspec
from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from audit.expected import Event, counted, read
from contracts import Amount, Contract
from stores import cassandra
from stores.hour import HOUR, minutes

QUERIES_IN_FLIGHT = 8  # a count reads a whole partition: many at once fill a small heap


class PassedOver(NamedTuple):
    """An event that is archived and does not count: where, and why."""

    minute: datetime
    shard: int
    key: UUID | str
    """By which the contract has events partitioned."""
    occurred_at: datetime
    event_id: UUID
    digest: bytes
    reason: str


@dataclass
class Archived:
    """What there is: events by minute (UTC); those that have an amount, and it, by minute and name; what was passed
    over, by reason; and what can't be read, in words."""

    events: Counter[datetime] = field(default_factory=Counter)
    worth: dict[tuple[datetime, str], tuple[int, int]] = field(default_factory=dict)
    passed_over: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


def archived(session: Session, hour: datetime, expected: Iterable[datetime], contract: Contract) -> Archived:
    """What there is of an hour; in `expected` are the minutes of it in which there should be events. Raises
    Unavailable."""
    with cassandra.outages():
        passed, amount = list(passed_over(session, hour, contract.partitioned_by)), contract.amount
        events = count(session, {*expected, *(row.minute for row in passed)})
        events.subtract(without_event(session, passed, contract.partitioned_by))
        found = Archived(Counter({m: n for m, n in events.items() if n}), passed_over=Counter(p.reason for p in passed))
        if amount and amount.table:
            add_amounts(session, hour, amount, {(row.event_id, row.digest) for row in passed}, found)
    return found


def count(session: Session, minutes: Iterable[datetime]) -> Counter[datetime]:
    """Minute -> rows in Cassandra, counted one by one."""
    keys = list(product(sorted(minutes), range(cassandra.SHARDS)))
    statement = session.prepare("SELECT count(*) FROM events WHERE minute = ? AND shard = ?")
    results = execute_concurrent_with_args(session, statement, keys, concurrency=QUERIES_IN_FLIGHT)
    found: Counter[datetime] = Counter()
    for (minute, _), (_, rows) in zip(keys, results, strict=True):
        found[minute] += rows.one().count
    return found


def passed_over(session: Session, hour: datetime, partitioned_by: str) -> Iterator[PassedOver]:
    """What is archived of an hour and does not count."""
    statement = session.prepare(
        f"SELECT minute, shard, {partitioned_by}, occurred_at, event_id, digest, reason FROM passed_over "  # noqa: S608 - a name
        "WHERE minute = ? AND shard IN ?"
    )
    keys = product(minutes(hour, hour + HOUR), [list(range(cassandra.SHARDS))])
    for _, rows in execute_concurrent_with_args(session, statement, keys, concurrency=cassandra.READS_IN_FLIGHT):
        for row in rows:
            yield PassedOver(row.minute.replace(tzinfo=UTC), *row[1:])


def without_event(session: Session, passed: Iterable[PassedOver], partitioned_by: str) -> Counter[datetime]:
    """Minute -> rows in Cassandra in which nothing counts: all that came under their keys was passed over."""
    digests: dict[tuple, set[bytes]] = {}
    for row in passed:
        digests.setdefault(row[:5], set()).add(row.digest)
    select = session.prepare(
        "SELECT payload, payloads FROM events "  # noqa: S608 - a name
        f"WHERE minute = ? AND shard = ? AND {partitioned_by} = ? AND occurred_at = ? AND event_id = ?"
    )
    results = execute_concurrent_with_args(session, select, list(digests), concurrency=QUERIES_IN_FLIGHT)
    found = {key: rows.one() for key, (_, rows) in zip(digests, results, strict=True)}
    none_counts = (
        key[0] for key, row in found.items() if row and {d for d, _ in cassandra.received(row)} <= digests[key]
    )
    return Counter(none_counts)


def add_amounts(
    session: Session, hour: datetime, amount: Amount, passed: Container[tuple[UUID, bytes | None]], found: Archived
) -> None:
    """Adds up what the events of an hour are worth, from the payloads as they were received; `passed` are id and digest
    of what does not count."""
    rows = session.execute(
        f"SELECT event_id, payload, payloads FROM {amount.table} "  # noqa: S608 - a name
        "WHERE occurred_at >= %s AND occurred_at < %s",
        (hour, hour + HOUR),
    )
    events: list[Event] = []
    for row in rows:
        for digest, payload in cassandra.received(row):
            if (row.event_id, digest) in passed:
                continue
            try:
                events.append(read(payload, amount))
            except msgspec.DecodeError as error:
                found.unreadable.append(f"an event in Cassandra can't be read: {error}: {payload[:80]}")
    found.worth = counted(event for event in events if event.name in amount.events)
