"""Compares what the producer's ledger says was acknowledged with what is in Cassandra, MySQL and the dead letter.

A dead letter that was found good later is an event from then on: what it is worth is read from the letter itself.
The producer is held for a moment, so that nothing moves: it waits, it loses nothing, and goes on afterwards. What
nothing can change is compared before that. The comparison is per minute and event name, to the cent, and not only in
sums, where two errors could cancel out.

Of Cassandra and the dead letter an hour is compared once when it is sealed (see audit/hours.py), and remembered: what
expires later was there. MySQL is compared each time, as far back as it reaches: by minute, and by hour before that.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from cassandra.cluster import Session
from mysql.connector.abstracts import MySQLConnectionAbstract

import contracts
from audit import aggregated
from audit.archived import Archived, archived
from audit.expected import (
    Letters,
    in_hours,
    ledger_by_hour,
    ledger_by_minute,
    opened,
    per_minute,
    together,
    worth,
)
from audit.hours import Hours, is_sealed, told_apart
from producer.ledger import NO_MINUTES, Ledger, LedgerView
from settings import Settings
from spark_jobs.dedup import REPEAT
from spark_jobs.seen import CONFLICT
from stores import cassandra, mysql, progress, proven_hours, time_to_live
from stores.dead_letter import addresses, letters
from stores.hour import HOUR, hour_of
from stores.kafka import end_offsets
from stores.progress import Reached
from stores.proven_hours import ByMinute, ProvenHour
from stores.replayed import DUPLICATE, EVENT, outcomes
from stores.retry import retry

log = logging.getLogger(__name__)

DEADLINE_S = 120.0
STORE_DEADLINE_S = 60.0
LOOK_EVERY_S = 0.25
REPORT_EVERY_S = 5.0
SHOWN = 10


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
    amount_off: int
    differences: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return not self.differences and self.amount_off == 0

    def __str__(self) -> str:
        return (
            f"verify: acknowledged={self.acknowledged} archived={self.archived} aggregated={self.aggregated} "
            f"duplicates_dropped={self.duplicates_dropped} rejected={self.rejected} "
            f"amount_off={self.amount_off}"
        )


def verify(
    settings: Settings, deadline_s: float = DEADLINE_S, everything: bool = False, now: datetime | None = None
) -> Verdict:
    """Waits until the pipeline passed what the ledger holds, and compares; `everything` that is kept, not only what was
    not proven before. The producer is held for what is not sealed. `now` is UTC.

    Raises NotCaughtUp after `deadline_s` seconds without, and Unavailable when a store is away.
    """
    Ledger.read(settings.ledger_path, NO_MINUTES)  # raises where there is none, before anything is held
    now = now or datetime.now(UTC)  # whatever comes from here on is younger
    with (
        cassandra.connected(settings, "auditor", settings.domain) as session,
        mysql.connected(settings, "reader", settings.domain) as connection,
    ):
        wait(settings, session, connection, time.monotonic() + deadline_s)
        prove_sealed(settings, session, now, everything)
        with Ledger.held(settings.ledger_path):
            until = time.monotonic() + deadline_s
            settled(settings, until)
            reached = wait(settings, session, connection, until)
            which = which_hours(settings, session, now)
            with mysql.transaction(connection) as cursor:
                reach = aggregated.reach(cursor)
            ledger = Ledger.read(
                settings.ledger_path,
                min(which.since, reach.minutes_from).timestamp(),
                reach.hours_from.timestamp(),
            )
            return compare(settings, ledger, reached, which, now, session, connection, everything)


def settled(settings: Settings, until: float) -> None:
    """Returns once the held producer has settled what it has in flight."""
    while Ledger.read(settings.ledger_path, NO_MINUTES).unsettled:
        if time.monotonic() > until:
            raise NotCaughtUp(
                "the producer has records in flight and does not settle them: a stopped one does at its next start, "
                "see 'make logs S=producer'"
            )
        time.sleep(LOOK_EVERY_S)


def wait(settings: Settings, session: Session, connection: MySQLConnectionAbstract, until: float) -> Reached:
    """Waits until both queries have passed all that Kafka has; returns how far the aggregates got."""
    ends = end_offsets(settings)
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


def which_hours(settings: Settings, session: Session, now: datetime, everything: bool = False) -> Hours:
    """Those to look at, and those that were proven. Raises Unavailable."""
    busy = {datetime.fromtimestamp(hour, UTC) for hour in Ledger.hours(settings.ledger_path)}
    proven = proven_hours.read(session)
    if not proven:
        busy.update(hour_of(address.appended_at) for address in addresses(settings))
    with cassandra.outages():
        lives = time_to_live.read(session)
    return told_apart(proven, busy, lives, contracts.load(settings.domain), now, everything)


def prove_sealed(settings: Settings, session: Session, now: datetime, everything: bool = False) -> None:
    """Looks at sealed hours that were not proven, or at all that are kept, and remembers those that are as they should
    be. Nothing changes them, so nothing is held meanwhile: after a month there are hundreds of them. Raises
    Unavailable."""
    contract = contracts.load(settings.domain)
    which = which_hours(settings, session, now, everything).to_look_at
    if sealed := [hour for hour in which if is_sealed(hour, contract, now)]:
        looks(settings, session, sealed, Ledger.read(settings.ledger_path, sealed[0].timestamp()), now)


def compare(
    settings: Settings,
    ledger: LedgerView,
    aggregate: Reached,
    which: Hours,
    now: datetime,
    session: Session,
    connection: MySQLConnectionAbstract,
    everything: bool = False,
) -> Verdict:
    """Compares the ledger with both stores, while nothing moves.

    The ledger needs its minutes from the first hour to look at, or that MySQL has by minute, on, and the hours that
    MySQL has. `everything`: all of MySQL's tables are held against each other by hour, too. Raises Unavailable.
    """
    looked_at = looks(settings, session, which.to_look_at, ledger, now)
    sums = summed([*which.proven.values(), *(each.figures for each in looked_at)])
    with mysql.transaction(connection) as cursor:
        reach = aggregated.reach(cursor)
        by_minute, by_hour = (reach.minutes_from, now + HOUR), (reach.hours_from, reach.hours_until)
        minutes = [
            within(figures, by_minute, which.expired)
            for figures in (together(ledger_by_minute(ledger), sums.mended), aggregated.events(cursor, by_minute))
        ]
        hours = [
            within(figures, by_hour, which.expired)
            for figures in (
                together(ledger_by_hour(ledger), in_hours(sums.mended)),
                aggregated.events(cursor, by_hour, by_hour=True),
            )
        ]
        tables = list(aggregated.pairs(cursor, settings.domain, by_minute))
        tables += aggregated.pairs(cursor, settings.domain, by_hour, by_hour=True) if everything else []
    verdict = Verdict(
        acknowledged=ledger.acknowledged,
        archived=sums.events,
        aggregated=aggregate.aggregated or 0,
        duplicates_dropped=aggregate.duplicates or 0,
        rejected=sums.letters - sum(sums.closed.values()),
        amount_off=amount_off(*minutes) + amount_off(*hours),
    )
    if which.expired:
        log.warning(
            "%d hours expired before they were ever compared: nothing is said of them, and of totals that they are in",
            len(which.expired),
        )
    verdict.differences = [
        *off({"records": (ledger.acknowledged, aggregate.records)}),
        *off({} if which.expired else totals(ledger, sums, verdict, aggregate)),
        *unequal("events in MySQL's events_by_minute", *minutes),
        *unequal("events in MySQL's events_by_hour", *hours),
        *archive_differs(looked_at),
        *tables_agree(tables),
    ]
    return verdict


class Look(NamedTuple):
    """An hour that was looked at: its figures, what should be in Cassandra of it (events by minute, and those that have
    an amount with it), and what is."""

    figures: ProvenHour
    events: Mapping[datetime, int]
    worth: ByMinute
    found: Archived

    @property
    def same(self) -> bool:
        found = self.found
        return not found.unreadable and self.events == found.events and self.worth == found.worth


def looks(
    settings: Settings, session: Session, which: Sequence[datetime], ledger: LedgerView, now: datetime
) -> list[Look]:
    """Looks at some hours, the first one first, and remembers those that are sealed and as they should be. The ledger
    needs its minutes from then on. Raises Unavailable."""
    contract, found = contracts.load(settings.domain), []
    dead = opened(letters(settings, which[0] - HOUR), outcomes(session), contract.amount)
    expected = together(ledger_by_minute(ledger), dead.mended)
    for each in look(session, which, expected, dead, contract):
        remember(session, each, contract, now)
        found.append(each)
    return found


def look(
    session: Session, which: Sequence[datetime], expected: ByMinute, dead: Letters, contract: contracts.Contract
) -> Iterator[Look]:
    """Looks at some hours in Cassandra. Raises Unavailable."""
    of_hour: dict[datetime, dict[tuple[datetime, str], tuple[int, int]]] = {}
    for key, value in expected.items():
        of_hour.setdefault(hour_of(key[0]), {})[key] = value
    report_at = time.monotonic() + REPORT_EVERY_S
    for number, hour in enumerate(which):
        if time.monotonic() > report_at:
            log.info("comparing: hour %d of %d", number, len(which))
            report_at = time.monotonic() + REPORT_EVERY_S
        due = of_hour.get(hour, {})
        events = per_minute(due)
        found = retry(partial(archived, session, hour, events, contract), "Cassandra", STORE_DEADLINE_S)
        figures = ProvenHour(
            hour,
            found.events.total(),
            found.passed_over[CONFLICT],
            found.passed_over[REPEAT],
            dead.received[hour],
            dead.closed.get(hour, {}),
            {key: value for key, value in dead.mended.items() if hour_of(key[0]) == hour},
        )
        yield Look(figures, events, worth(due, contract.amount), found)


def remember(session: Session, look: Look, contract: contracts.Contract, now: datetime) -> None:
    """Remembers a sealed hour that is as it should be, and no other. Raises Unavailable."""
    if not look.same:
        proven_hours.forget(session, [look.figures.hour])
    elif is_sealed(look.figures.hour, contract, now):
        proven_hours.remember(session, look.figures, now)


class Sums(NamedTuple):
    """The figures of all hours that are known, as in ProvenHour."""

    events: int
    conflicts: int
    repeats: int
    letters: int
    closed: Counter[str]
    mended: ByMinute


def summed(figures: Sequence[ProvenHour]) -> Sums:
    return Sums(
        sum(each.events for each in figures),
        sum(each.conflicts for each in figures),
        sum(each.repeats for each in figures),
        sum(each.letters for each in figures),
        sum((Counter(each.closed) for each in figures), Counter()),
        {key: value for each in figures for key, value in each.mended.items()},
    )


def archive_differs(looks: Sequence[Look]) -> list[str]:
    """What differs between what should be in Cassandra and what is, in words."""
    wrong = [each for each in looks if not each.same]
    pairs = {
        "events": ([each.events for each in wrong], [each.found.events for each in wrong]),
        "events and their amount": ([each.worth for each in wrong], [each.found.worth for each in wrong]),
    }
    return [
        *(
            words
            for what, (due, found) in pairs.items()
            for words in unequal(f"{what} in Cassandra", joined(due), joined(found))
        ),
        *[words for each in wrong for words in each.found.unreadable][:SHOWN],
    ]


def joined(mappings: Iterable[Mapping]) -> dict:
    return {key: value for mapping in mappings for key, value in mapping.items()}


def within(figures: ByMinute, span: aggregated.Span, without: Container[datetime]) -> ByMinute:
    """Those of a span, without some hours."""
    since, until = span
    return {key: value for key, value in figures.items() if since <= key[0] < until and hour_of(key[0]) not in without}


def tables_agree(pairs: Iterable[tuple[str, Mapping, Mapping]]) -> Iterator[str]:
    """The differences between MySQL's tables in words."""
    for name, one, other in pairs:
        yield from unequal(f"{name} by two tables", one, other)


def amount_off(expected: ByMinute, stored: ByMinute) -> int:
    """The sum of all differences in amounts, each taken as positive."""
    keys = {**expected, **stored}
    return sum(abs(expected.get(key, (0, 0))[1] - stored.get(key, (0, 0))[1]) for key in keys)


def unequal(what: str, expected: Mapping, found: Mapping) -> list[str]:
    """The differences between two mappings in words, the first few and how many there are."""
    keys = [key for key in {**expected, **found} if expected.get(key) != found.get(key)]
    words = [f"{what}: {key} has {found.get(key)}, the ledger {expected.get(key)}" for key in keys[:SHOWN]]
    return [*words, *([f"{what}: {len(keys) - SHOWN} more differences"] if len(keys) > SHOWN else [])]


def off(figures: Mapping[str, tuple[int, int]]) -> list[str]:
    """The differences between figures, by what they count: (due, found)."""
    return [f"{what}: {found}, the ledger has {due}" for what, (due, found) in figures.items() if due != found]


def totals(ledger: LedgerView, sums: Sums, verdict: Verdict, aggregate: Reached) -> dict[str, tuple[int, int]]:
    """What there should be in all, and what there is. A dead letter that was closed is no malformed record any more."""
    malformed = ledger.malformed - sums.closed.total()
    return {
        "aggregated": (ledger.events + sums.closed[EVENT], verdict.aggregated),
        "duplicates dropped": (ledger.duplicates + sums.closed[DUPLICATE], verdict.duplicates_dropped),
        "rejected, in the dead letter": (malformed, verdict.rejected),
        "rejected, in MySQL": (malformed, aggregate.rejected),
        f"passed over as {CONFLICT}": (ledger.conflicts, sums.conflicts),
        f"passed over as {REPEAT}": (ledger.reloads, sums.repeats),
    }
