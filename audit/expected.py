"""What should be there: what the producer's ledger says, and dead letters that were found good later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from contracts import Amount
from producer.ledger import LedgerView
from stores.dead_letter import Letter, Place
from stores.hour import hour_of
from stores.proven_hours import ByMinute
from stores.replayed import EVENT


@dataclass(frozen=True)
class Event:
    """What is read of an event here: the minute in which it occurred (UTC), and what it is worth."""

    minute: datetime
    name: str
    amount: int


FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""The rest of an event is passed over, whatever it holds; of a name that stands there twice the last one counts, as the
contract says."""


def read(payload: bytes | str, amount: Amount | None) -> Event:
    """What an event is worth. Raises msgspec.DecodeError where it is none."""
    fields = FIELDS.decode(payload)
    name = msgspec.json.decode(fields.get("event_name", b""), type=str)
    occurred_at = msgspec.json.decode(fields.get("occurred_at", b""), type=datetime)
    value = msgspec.json.decode(fields.get(amount.field, b"null"), type=int | float | None) if amount else None
    minute = occurred_at.astimezone(UTC).replace(second=0, microsecond=0)
    return Event(minute, name, amount.of(name, {amount.field: value}) if amount else 0)


def ledger_by_minute(ledger: LedgerView) -> dict[tuple[datetime, str], tuple[int, int]]:
    """(minute, event name) -> (events, amount), as the ledger has it."""
    return {
        (datetime.fromtimestamp(minute, UTC), name): (events, amount) for minute, name, events, amount in ledger.minutes
    }


def ledger_by_hour(ledger: LedgerView) -> dict[tuple[datetime, str], tuple[int, int]]:
    """(hour, event name) -> (events, amount), as the ledger has it."""
    return {(datetime.fromtimestamp(hour, UTC), name): (events, amount) for hour, name, events, amount in ledger.hours}


def in_hours(by_minute: ByMinute) -> dict[tuple[datetime, str], tuple[int, int]]:
    """The sums of hours in place of those of minutes."""
    return added(((hour_of(minute), name), figures) for (minute, name), figures in by_minute.items())


@dataclass
class Letters:
    """Dead letters: how many there are and how many of them were closed, by outcome, both by the hour in which the
    broker took the record; and what those are worth that count as events by now."""

    received: Counter[datetime] = field(default_factory=Counter)
    closed: dict[datetime, Counter[str]] = field(default_factory=dict)
    mended: dict[tuple[datetime, str], tuple[int, int]] = field(default_factory=dict)


def opened(dead: Iterable[Letter], closed: Mapping[Place, str], amount: Amount | None) -> Letters:
    """What is in the dead letter, where `closed` has the outcomes; `amount` is the contract's."""
    found = Letters()
    mended: list[Event] = []
    for address, value in dead:
        hour = hour_of(address.appended_at)
        found.received[hour] += 1
        if outcome := closed.get(address.place):
            found.closed.setdefault(hour, Counter())[outcome] += 1
        if outcome == EVENT:
            mended.append(read(value, amount))
    found.mended = counted(mended)
    return found


def counted(events: Iterable[Event]) -> dict[tuple[datetime, str], tuple[int, int]]:
    """(minute, event name) -> (events, amount)."""
    return added(((event.minute, event.name), (1, event.amount)) for event in events)


def together(first: ByMinute, second: ByMinute) -> dict[tuple[datetime, str], tuple[int, int]]:
    """The sums of both."""
    return added([*first.items(), *second.items()])


def added(
    figures: Iterable[tuple[tuple[datetime, str], tuple[int, int]]],
) -> dict[tuple[datetime, str], tuple[int, int]]:
    """The sums of pairs of figures that have the same time and name."""
    sums: dict[tuple[datetime, str], tuple[int, int]] = {}
    for key, (events, amount) in figures:
        before = sums.get(key, (0, 0))
        sums[key] = before[0] + events, before[1] + amount
    return sums


def per_minute(expected: ByMinute) -> Counter[datetime]:
    """Minute -> events of all names."""
    counted: Counter[datetime] = Counter()
    for (minute, _), (events, _) in expected.items():
        counted[minute] += events
    return counted


def worth(expected: ByMinute, amount: Amount | None) -> dict[tuple[datetime, str], tuple[int, int]]:
    """Those of the events that have an amount, and are found by time."""
    return {key: figures for key, figures in expected.items() if amount and amount.table and key[1] in amount.events}
