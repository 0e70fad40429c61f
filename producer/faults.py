"""What goes wrong with events on their way: they come late, twice, or damaged.

Every fault has a name, so that it can be counted. What is damaged here every domain's events have; what of their own
can be damaged besides, a domain's module says (producer/domains).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from contracts import Contract, Field
from producer.records import CONFLICT, DUPLICATE, EVENT, LATE, RELOAD, Event, Record, encode, new_uuid, rfc3339

LATEST_OF_ALLOWED = 3 / 8
"""The latest of late events come after this part of the time that the contract gives them."""
OVERSIZED_BYTES = 300 * 1024
"""Above the 256 KiB at which a record is rejected for its length."""


class Rates(NamedTuple):
    """Faults per event, reloads per event that can be reloaded, each from 0 to 1."""

    duplicates: float = 0.0
    conflicts: float = 0.0
    reloads: float = 0.0
    late: float = 0.0
    malformed: float = 0.0


Damage = Callable[[dict[str, Any], random.Random], bytes | None]
"""From an event's fields to the value of a damaged copy."""


def constant(value: bytes | None) -> Damage:
    """The same value, whatever the event."""
    return lambda _fields, _rng: value


def changed(**changes: Any) -> Damage:
    """Fields with other values."""
    return lambda fields, _rng: encode(fields | changes)


def _truncated(fields: dict[str, Any], rng: random.Random) -> bytes:
    text = encode(fields)
    return text[: rng.randrange(1, len(text))]


def _wrong_type(fields: dict[str, Any], rng: random.Random) -> bytes:
    name, value = rng.choice((("event_name", 7), ("occurred_at", True), ("event_id", ["1"]), ("schema_version", {})))
    return encode(fields | {name: value})


def _missing_field(fields: dict[str, Any], rng: random.Random) -> bytes:
    missing = rng.choice(("event_id", "event_name", "schema_version", "occurred_at"))
    return encode({name: value for name, value in fields.items() if name != missing})


def _years_off(years: int) -> Damage:
    def damage(fields: dict[str, Any], _rng: random.Random) -> bytes:
        text = fields["occurred_at"]
        return encode(fields | {"occurred_at": f"{int(text[:4]) + years:04d}{text[4:]}"})

    return damage


def _invalid_utf8(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode(fields | {"event_name": "@"}).replace(b'"event_name":"@"', b'"event_name":"a\xff\xfe_b"', 1)


DAMAGE: dict[str, Damage] = {
    "not_json": constant(b"<html><body>503 Service Unavailable</body></html>"),
    "truncated": _truncated,
    "wrong_type": _wrong_type,
    "missing_field": _missing_field,
    "unknown_event_name": changed(event_name="teleport"),
    "huge_number": changed(schema_version=msgspec.Raw(b"1" + b"0" * 40)),
    "nan": changed(schema_version=msgspec.Raw(b"NaN")),
    "null_value": constant(None),
    "empty": constant(b""),
    "not_an_object": constant(b'["event",1999]'),
    "invalid_utf8": _invalid_utf8,
    "null_key": _truncated,
    # Eight years, so that 29 February stays one.
    "too_late": _years_off(-8),
    "from_the_future": _years_off(8),
    "injection": changed(event_name="x'); DROP TABLE events_by_minute; --"),
    "oversized": changed(padding="x" * OVERSIZED_BYTES),
}
"""Damage that any event can suffer. A contract-abiding reader rejects every one of them."""

RARE = {"oversized": 0.1}
"""How often a kind is chosen compared to the others."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong with a domain's events, and how often.

    - own_damage: an event's fields -> the damage that it can suffer beside DAMAGE, by name
    - reloaded: names of the events that are reported once more under another id when a page is loaded again
    """

    contract: Contract
    rates: Rates
    own_damage: Callable[[Mapping[str, Any]], Mapping[str, Damage]]
    reloaded: Container[str]

    @cached_property
    def late_minutes(self) -> tuple[float, float]:
        """After how many minutes late events come, at least and at most: 1 and 45 where two hours are allowed."""
        latest = self.contract.max_late / timedelta(minutes=1) * LATEST_OF_ALLOWED
        return latest / 45, latest

    @cached_property
    def elsewhere(self) -> Field | None:
        """A field by which charts group, of which another program reports another value."""
        of_events = (
            each.field for each in self.contract.dimensions if each.array is None and each.name != "event_name"
        )
        return next((field for field in of_events if len(field.allowed) > 1), None)

    def damaged(self, record: Record, fields: dict[str, Any], rng: random.Random) -> Record:
        """A damaged copy of an event under an id of its own; `fields` are the event's, with sent_at."""
        damage = {**DAMAGE, **self.own_damage(fields)}
        kind = rng.choices(tuple(damage), [RARE.get(kind, 1.0) for kind in damage])[0]
        value = damage[kind](fields | {"event_id": new_uuid(rng)}, rng)
        key = None if kind == "null_key" else record.key
        return record._replace(key=key, value=value, kind=kind, amount=0)

    def conflicting(self, record: Record, fields: dict[str, Any], rng: random.Random) -> Record:
        """What another program reports under the same id, within a second: something else, or by its own clock."""
        other = {"sent_at": rfc3339(record.at_ms + 1)}
        if field := self.elsewhere:
            other[field.name] = next(value for value in field.allowed if value != fields[field.name])
        if rng.random() < 0.5:
            other["occurred_at"] = rfc3339(record.occurred_ms - rng.randrange(1, 90_000))
        after_ms = rng.randrange(20, 900)
        return _besides(record, CONFLICT, after_ms, encode(fields | other))


def reloaded(record: Record, fields: dict[str, Any], rng: random.Random) -> Record:
    """The same under another id, when the page that reports it is loaded again."""
    after_ms = rng.randrange(1_000, 120_000)
    digest = blake2b(fields["event_id"].encode(), digest_size=16).digest()
    changes = {
        "event_id": str(UUID(bytes=digest, version=4)),
        "occurred_at": rfc3339(record.occurred_ms + after_ms),
        "sent_at": rfc3339(record.at_ms + after_ms),
    }
    return _besides(record, RELOAD, after_ms, encode(fields | changes))


def _besides(record: Record, kind: str, after_ms: int, value: bytes | None) -> Record:
    """A record that is sent later and counts nothing."""
    return record._replace(at_ms=record.at_ms + after_ms, value=value, kind=kind, amount=0)


def inject(events: Iterable[Event], faults: Faults, rng: random.Random) -> Iterator[Record]:
    """The records of `events` in the order in which they are sent, with faults among them.

    What is held back when the events end is sent then, so that every event is sent. An event counts once: as `event`
    or as `late`; duplicates of any kind and malformed copies come on top.
    """
    held: list[tuple[int, int, Record]] = []
    number, rates, amount = 0, faults.rates, faults.contract.amount
    for occurred_ms, key, fields, again in events:
        while held and held[0][0] <= occurred_ms:
            yield heappop(held)[2]
        if again:  # with sent_at as it was: byte for byte the same
            yield Record(occurred_ms, key, encode(fields), DUPLICATE, fields["event_name"], occurred_ms, 0)
            continue
        late = rng.random() < rates.late
        at_ms = occurred_ms + (int(rng.uniform(*faults.late_minutes) * 60_000) if late else 0)
        fields["sent_at"] = rfc3339(at_ms)
        name = fields["event_name"]
        record = Record(
            at_ms,
            key,
            encode(fields),
            LATE if late else EVENT,
            name,
            occurred_ms,
            amount.of(name, fields) if amount else 0,
        )
        sent = [record]
        if rng.random() < rates.malformed:
            sent.append(faults.damaged(record, fields, rng))
        if rng.random() < rates.duplicates:
            # A client that saw no answer tries again within a second; one that went offline, minutes later.
            after_ms = rng.uniform(20, 900) if rng.random() < 0.7 else rng.uniform(1, 10) * 60_000
            sent.append(_besides(record, DUPLICATE, int(after_ms), record.value))
        if rng.random() < rates.conflicts:
            sent.append(faults.conflicting(record, fields, rng))
        if name in faults.reloaded and rng.random() < rates.reloads:
            sent.append(reloaded(record, fields, rng))
        for each in sent:
            if each.at_ms == occurred_ms:
                yield each
            else:
                number += 1
                heappush(held, (each.at_ms, number, each))
    while held:
        yield heappop(held)[2]
