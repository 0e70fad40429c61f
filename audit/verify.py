"""Compares what the producer's ledger says was acknowledged with what is in Cassandra, MySQL and the dead letter.

A dead letter that was judged good later is an event from then on: what it is worth is read from the letter itself.
The producer is held for a moment, so that nothing moves: it waits, it loses nothing, and goes on afterwards. The
comparison is per minute and event name, to the cent, and not only in sums, where two errors could cancel out.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import msgspec
from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from mysql.connector.abstracts import MySQLConnectionAbstract

from audit import progress
from audit.progress import Reached
from producer.ledger import Ledger, LedgerView
from settings import Settings
from spark_jobs.dedup import REPEAT
from spark_jobs.replay import DUPLICATE, EVENT, Letter, Place, outcomes
from spark_jobs.seen import CONFLICT
from spark_jobs.sinks.dead_letter import letters
from spark_jobs.source import offsets_of
from stores import cassandra, mysql
from stores.outage import patiently

log = logging.getLogger(__name__)

DEADLINE_S = 120.0
STORE_DEADLINE_S = 60.0
LOOK_EVERY_S = 0.25
REPORT_EVERY_S = 5.0
QUERIES_IN_FLIGHT = 8  # a count reads a whole partition: many at once fill a small heap
SHOWN = 10

ByMinute = Mapping[tuple[datetime, str], tuple[int, int]]


@dataclass(frozen=True)
class Event:
    """What is read of an event here: the minute in which it occurred (UTC), and what a purchase is worth."""

    minute: datetime
    name: str
    cents: int


FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""The rest of an event is passed over, whatever it holds; of a name that stands there twice the last one counts, as the
contract says."""


def read(payload: bytes | str) -> Event:
    """What an event is worth. Raises msgspec.DecodeError where it is none."""
    fields = FIELDS.decode(payload)
    name = msgspec.json.decode(fields.get("event_name", b""), type=str)
    occurred_at = msgspec.json.decode(fields.get("occurred_at", b""), type=datetime)
    value = msgspec.json.decode(fields.get("reporting_value", b"null"), type=int | float | None)
    minute = occurred_at.astimezone(UTC).replace(second=0, microsecond=0)
    return Event(minute, name, int(value or 0) if name == "purchase" else 0)


class PassedOver(NamedTuple):
    """An event that is archived and does not count: where, and why."""

    minute: datetime
    shard: int
    session_id: UUID
    occurred_at: datetime
    event_id: UUID
    digest: bytes
    reason: str


class NotCaughtUp(RuntimeError):  # noqa: N818 - it says what happened
    """The pipeline did not pass what the ledger holds in time."""


@dataclass
class Verdict:
    """What was compared: the figures of the line that is printed, and every difference in words."""

    acknowledged: int
    archived: int
    aggregated: int
    duplicates_dropped: int
    rejected: int
    revenue_cents_off: int
    differences: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.differences and self.revenue_cents_off == 0

    def __str__(self) -> str:
        return (
            f"verify: acknowledged={self.acknowledged} archived={self.archived} aggregated={self.aggregated} "
            f"duplicates_dropped={self.duplicates_dropped} rejected={self.rejected} "
            f"revenue_cents_off={self.revenue_cents_off}"
        )


def verify(settings: Settings, deadline_s: float = DEADLINE_S) -> Verdict:
    """Holds the producer, waits until the pipeline passed what the ledger holds, and compares.

    Raises NotCaughtUp after `deadline_s` seconds without, and Outage when a store is away.
    """
    Ledger.read(settings.ledger_path)  # raises where there is none, before anything is held
    with (
        Ledger.held(settings.ledger_path),
        cassandra.connected(settings, "reader", settings.domain) as session,
        mysql.connected(settings, "reader", settings.domain) as connection,
    ):
        until = time.monotonic() + deadline_s
        ledger = settled(settings, until)
        reached = wait(settings, session, connection, until)
        return compare(settings, ledger, reached, session, connection)


def settled(settings: Settings, until: float) -> LedgerView:
    """The ledger, once the held producer has settled what it has in flight."""
    while (ledger := Ledger.read(settings.ledger_path)).unsettled:
        if time.monotonic() > until:
            raise NotCaughtUp(
                "the producer has records in flight and does not settle them: a stopped one does at its next start, "
                "see 'make logs S=producer'"
            )
        time.sleep(LOOK_EVERY_S)
    return ledger


def wait(settings: Settings, session: Session, connection: MySQLConnectionAbstract, until: float) -> Reached:
    """Waits until both queries have passed all that Kafka has; returns how far the aggregates got."""
    ends = offsets_of(settings.events_topic, settings, end=True)
    report_at = time.monotonic() + REPORT_EVERY_S
    while True:
        archive, aggregate = progress.archived(session), progress.aggregated(connection)
        if archive.passed(ends) and aggregate.passed(ends):
            return aggregate
        behind = f"the archive is {archive.lag(ends)} and the aggregates are {aggregate.lag(ends)} records behind"
        if time.monotonic() > until:
            raise NotCaughtUp(f"{behind}, and time is up: see 'make status' and 'make logs S=spark'")
        if time.monotonic() > report_at:
            log.info("waiting: %s", behind)
            report_at += REPORT_EVERY_S
        time.sleep(LOOK_EVERY_S)


def compare(
    settings: Settings,
    ledger: LedgerView,
    aggregate: Reached,
    session: Session,
    connection: MySQLConnectionAbstract,
) -> Verdict:
    """Compares the ledger with both stores, while nothing moves."""
    closed = outcomes(session)
    rejected, mended = opened(letters(settings), closed)
    expected = together(ledger_by_minute(ledger), mended)
    since = datetime.now(UTC) - timedelta(days=settings.mysql_retention_days) + timedelta(hours=1)
    stored = mysql_by_minute(connection)
    passed = patiently(lambda: passed_over(session), "Cassandra", STORE_DEADLINE_S)
    minutes = {minute for minute, _ in expected} | {row.minute for row in passed}
    archived = patiently(lambda: archived_by_minute(session, minutes), "Cassandra", STORE_DEADLINE_S)
    archived.subtract(patiently(lambda: without_event(session, passed), "Cassandra", STORE_DEADLINE_S))
    verdict = Verdict(
        acknowledged=ledger.acknowledged,
        archived=archived.total(),
        aggregated=aggregate.aggregated or 0,
        duplicates_dropped=aggregate.duplicates or 0,
        rejected=rejected,
        revenue_cents_off=cents_off(expected, stored, since),
    )
    verdict.differences = [
        *totals(ledger, Counter(closed.values()), verdict, aggregate),
        *decisions(ledger, Counter(row.reason for row in passed)),
        *unequal("events in MySQL's events_by_minute", recent(expected, since), recent(stored, since)),
        *unequal("events in Cassandra", per_minute(expected), {m: n for m, n in archived.items() if n}),
        *tables_agree(connection, since),
        *orders_in_cassandra(session, expected, {(row.event_id, row.digest) for row in passed}),
    ]
    return verdict


def ledger_by_minute(ledger: LedgerView) -> dict[tuple[datetime, str], tuple[int, int]]:
    """(minute, event name) -> (events, revenue in cents), as the ledger has it."""
    return {
        (datetime.fromtimestamp(minute, UTC), name): (events, cents)
        for minute, name, events, cents in ledger.events_by_minute()
    }


def opened(dead: Iterable[Letter], closed: Mapping[Place, str]) -> tuple[int, ByMinute]:
    """How many dead letters are open, and what those that count as events by now are worth, as `ledger_by_minute`."""
    waiting = 0
    events: Counter[tuple[datetime, str]] = Counter()
    cents: Counter[tuple[datetime, str]] = Counter()
    for address, value in dead:
        outcome = closed.get(address.place)
        waiting += outcome is None
        if outcome == EVENT:
            event = read(value)
            key = event.minute, event.name
            events[key] += 1
            cents[key] += event.cents
    return waiting, {key: (events[key], cents[key]) for key in events}


def together(first: ByMinute, second: ByMinute) -> ByMinute:
    """The sums of both."""
    keys = {**first, **second}
    pairs = {key: zip(first.get(key, (0, 0)), second.get(key, (0, 0)), strict=True) for key in keys}
    return {key: tuple(map(sum, pair)) for key, pair in pairs.items()}


def mysql_by_minute(connection: MySQLConnectionAbstract) -> dict[tuple[datetime, str], tuple[int, int]]:
    """(minute, event name) -> (events, revenue in cents), as MySQL has it."""
    rows = mysql.query(connection, "SELECT minute, event_name, events, revenue_cents FROM events_by_minute")
    return {(minute.replace(tzinfo=UTC), name): (events, cents) for minute, name, events, cents in rows}


def archived_by_minute(session: Session, minutes: Iterable[datetime]) -> Counter[datetime]:
    """Minute -> events in Cassandra, counted one by one."""
    keys = [(minute, shard) for minute in sorted(minutes) for shard in range(cassandra.SHARDS)]
    with cassandra.outages():
        count = session.prepare("SELECT count(*) FROM events WHERE minute = ? AND shard = ?")
        results = execute_concurrent_with_args(session, count, keys, concurrency=QUERIES_IN_FLIGHT)
    found: Counter[datetime] = Counter()
    for (minute, _), (_, rows) in zip(keys, results, strict=True):
        found[minute] += rows.one().count
    return found


def passed_over(session: Session) -> list[PassedOver]:
    """What is archived and does not count. Raises Outage."""
    with cassandra.outages():
        rows = session.execute(
            "SELECT minute, shard, session_id, occurred_at, event_id, digest, reason FROM passed_over"
        )
        return [PassedOver(row.minute.replace(tzinfo=UTC), *row[1:]) for row in rows]


def without_event(session: Session, passed: Iterable[PassedOver]) -> Counter[datetime]:
    """Minute -> rows in Cassandra in which nothing counts: all that came under their keys was passed over."""
    digests: dict[tuple, set[bytes]] = {}
    for row in passed:
        digests.setdefault(row[:5], set()).add(row.digest)
    with cassandra.outages():
        select = session.prepare(
            "SELECT payload, payloads FROM events "
            "WHERE minute = ? AND shard = ? AND session_id = ? AND occurred_at = ? AND event_id = ?"
        )
        results = execute_concurrent_with_args(session, select, list(digests), concurrency=QUERIES_IN_FLIGHT)
        found = {key: rows.one() for key, (_, rows) in zip(digests, results, strict=True)}
    none_counts = (
        key[0] for key, row in found.items() if row and {d for d, _ in cassandra.received(row)} <= digests[key]
    )
    return Counter(none_counts)


def decisions(ledger: LedgerView, passed: Counter[str]) -> list[str]:
    """Differences in what was passed over for another event's sake."""
    wanted = {CONFLICT: ledger.conflicts, REPEAT: ledger.reloads}
    return [
        f"passed over as {reason}: {passed[reason]}, the ledger has {due}"
        for reason, due in wanted.items()
        if passed[reason] != due
    ]


def per_minute(expected: ByMinute) -> Counter[datetime]:
    counted: Counter[datetime] = Counter()
    for (minute, _), (events, _) in expected.items():
        counted[minute] += events
    return counted


def recent(by_minute: ByMinute, since: datetime) -> ByMinute:
    """What MySQL's retention still keeps."""
    return {key: value for key, value in by_minute.items() if key[0] >= since}


def cents_off(expected: ByMinute, stored: ByMinute, since: datetime) -> int:
    """The sum of all differences in revenue, each taken as positive."""
    keys = recent({**expected, **stored}, since)
    return sum(abs(expected.get(key, (0, 0))[1] - stored.get(key, (0, 0))[1]) for key in keys)


def unequal(what: str, expected: Mapping, found: Mapping) -> list[str]:
    """The differences between two mappings in words, the first few and how many there are."""
    keys = [key for key in {**expected, **found} if expected.get(key) != found.get(key)]
    words = [f"{what}: {key} has {found.get(key)}, the ledger {expected.get(key)}" for key in keys[:SHOWN]]
    return [*words, *([f"{what}: {len(keys) - SHOWN} more differences"] if len(keys) > SHOWN else [])]


def totals(ledger: LedgerView, replayed: Counter[str], verdict: Verdict, aggregate: Reached) -> list[str]:
    """Differences in the totals; `replayed` are dead letters that were closed, by their outcome."""
    events = ledger.events + replayed[EVENT]
    malformed = ledger.malformed - replayed.total()
    wanted = {
        "archived": (events, verdict.archived),
        "aggregated": (events, verdict.aggregated),
        "duplicates dropped": (ledger.duplicates + replayed[DUPLICATE], verdict.duplicates_dropped),
        "rejected, in the dead letter": (malformed, verdict.rejected),
        "rejected, in MySQL": (malformed, aggregate.rejected),
        "records": (ledger.acknowledged, aggregate.records),
    }
    return [f"{what}: {found}, the ledger has {due}" for what, (due, found) in wanted.items() if due != found]


def tables_agree(connection: MySQLConnectionAbstract, since: datetime) -> list[str]:
    """Differences between MySQL's tables: each is merged on its own, so each must have the same sums."""
    sums = {
        "events": (by_minute("events_by_minute", "events"), by_minute("sales_by_minute", "events")),
        "orders": (
            by_minute("events_by_minute", "events", "event_name = 'purchase'"),
            by_minute("sales_by_minute", "orders"),
        ),
        "revenue": (by_minute("events_by_minute", "revenue_cents"), by_minute("sales_by_minute", "revenue_cents")),
        "whole orders": (
            by_minute("sales_by_minute", "revenue_cents"),
            by_minute("sales_by_minute", "order_value_cents"),
        ),
        "units": (by_minute("sales_by_minute", "units"), by_minute("items_by_minute", "units")),
        "revenue by item": (
            by_minute("sales_by_minute", "revenue_cents"),
            by_minute("items_by_minute", "revenue_cents"),
        ),
    }
    start = since.replace(tzinfo=None, second=0, microsecond=0)
    found = []
    for what, statements in sums.items():
        first, second = ({row[0]: row[1:] for row in mysql.query(connection, sql, (start,))} for sql in statements)
        found += unequal(f"{what} by two tables", first, second)
    return found


def by_minute(table: str, column: str, condition: str = "TRUE") -> str:
    """The sums of a column by minute, without the minutes in which it is 0."""
    return (
        f"SELECT minute, SUM({column}) FROM {table} WHERE minute >= %s AND {condition} "  # noqa: S608 - no data in it
        f"GROUP BY minute HAVING SUM({column}) <> 0"
    )


def orders_in_cassandra(
    session: Session, expected: ByMinute, passed: Container[tuple[UUID, bytes | None]]
) -> list[str]:
    """Differences in the purchases' number and value, added up from the payloads as they were received; `passed` are
    id and digest of what does not count."""
    orders = cents = 0
    unreadable: list[str] = []
    with cassandra.outages():
        for row in session.execute("SELECT event_id, payload, payloads FROM events_by_order"):
            for digest, payload in cassandra.received(row):
                if (row.event_id, digest) in passed:
                    continue
                try:
                    event = read(payload)
                except msgspec.DecodeError as error:
                    unreadable.append(f"an order in Cassandra can't be read: {error}: {payload[:80]}")
                    continue
                orders, cents = orders + (event.name == "purchase"), cents + event.cents
    due = [value for (_, name), value in expected.items() if name == "purchase"]
    wanted = {
        "purchases in Cassandra": (sum(events for events, _ in due), orders),
        "their cents": (sum(cents for _, cents in due), cents),
    }
    off = [f"{what}: {found}, the ledger has {due}" for what, (due, found) in wanted.items() if due != found]
    return [*off, *unreadable[:SHOWN]]
