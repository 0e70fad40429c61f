"""What goes wrong with events on their way: they come late, twice, or damaged.

Every fault has a name, so that it can be counted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from heapq import heappop, heappush
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from producer.shoppers import new_uuid

EVENT, LATE, DUPLICATE, CONFLICT, RELOAD = "event", "late", "duplicate", "conflict", "reload"
"""Kinds of records besides the names in MALFORMED."""
GOOD = (EVENT, LATE)
"""Those that count. The other kinds above are good as well, but an event counts that is the same."""

LATE_MINUTES = (1, 45)
OVERSIZED_BYTES = 300 * 1024
"""Above the 256 KiB at which a record is rejected for its length."""


class Event(NamedTuple):
    """Something that happened, before it is sent."""

    occurred_ms: int
    """Milliseconds since the epoch, by the simulated clock."""
    key: bytes
    fields: dict[str, Any]
    """As in the contract, without sent_at."""


class Record(NamedTuple):
    """What is given to Kafka, and what it is."""

    at_ms: int
    """When it is sent, in milliseconds since the epoch, by the simulated clock."""
    key: bytes | None
    value: bytes | None
    kind: str
    """`event`, `late` (an event that is sent long after it happened), `duplicate` (sent a second time), `conflict`
    (other contents under the same id), `reload` (an order under another id), or a name in MALFORMED."""
    event_name: str
    occurred_ms: int
    revenue_cents: int
    """reporting_value of a purchase, in euro cents."""
    refund_cents: int


class Rates(NamedTuple):
    """Faults per event, reloads per order, each from 0 to 1."""

    duplicates: float = 0.0
    conflicts: float = 0.0
    reloads: float = 0.0
    late: float = 0.0
    malformed: float = 0.0


encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(epoch_ms: int) -> str:
    seconds, ms = divmod(epoch_ms, 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


Damage = Callable[[dict[str, Any], random.Random], bytes | None]
"""From an event's fields to the value of a damaged copy."""


def _raw(value: bytes | None) -> Damage:
    return lambda _fields, _rng: value


def _with(**changes: Any) -> Damage:
    return lambda fields, _rng: encode(fields | changes)


def _with_first_item(**changes: Any) -> Damage:
    return lambda fields, _rng: encode(fields | {"items": [fields["items"][0] | changes, *fields["items"][1:]]})


def _truncated(fields: dict[str, Any], rng: random.Random) -> bytes:
    text = encode(fields)
    return text[: rng.randrange(1, len(text))]


def _wrong_type(fields: dict[str, Any], rng: random.Random) -> bytes:
    name, value = rng.choice((("event_name", 7), ("occurred_at", True), ("device", ["mobile"]), ("currency", {})))
    return encode(fields | {name: value})


def _missing_field(fields: dict[str, Any], rng: random.Random) -> bytes:
    missing = rng.choice(("event_id", "event_name", "schema_version", "occurred_at", "session_id", "country"))
    return encode({name: value for name, value in fields.items() if name != missing})


def _years_off(years: int) -> Damage:
    def damage(fields: dict[str, Any], _rng: random.Random) -> bytes:
        text = fields["occurred_at"]
        return encode(fields | {"occurred_at": f"{int(text[:4]) + years:04d}{text[4:]}"})

    return damage


def _nan(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode(fields | {"schema_version": msgspec.Raw(b"NaN")})


def _invalid_utf8(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode(fields | {"event_name": "@"}).replace(b'"event_name":"@"', b'"event_name":"view\xff\xfe_item"', 1)


def _value_mismatch(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode(fields | {"value": fields["value"] + 1})


DAMAGE: dict[str, Damage] = {
    "not_json": _raw(b"<html><body>503 Service Unavailable</body></html>"),
    "truncated": _truncated,
    "wrong_type": _wrong_type,
    "missing_field": _missing_field,
    "unknown_event_name": _with(event_name="teleport"),
    "huge_number": _with(value=msgspec.Raw(b"1" + b"0" * 40)),
    "nan": _nan,
    "null_value": _raw(None),
    "empty": _raw(b""),
    "not_an_object": _raw(b'["purchase",1999]'),
    "invalid_utf8": _invalid_utf8,
    "null_key": _truncated,
    # Eight years, so that 29 February stays one.
    "too_late": _years_off(-8),
    "from_the_future": _years_off(8),
    "injection": _with(device="mobile'); DROP TABLE sales_by_minute; --"),
    "oversized": _with(page_url="https://shop.example/" + "x" * OVERSIZED_BYTES),
}
"""Damage that any event can suffer. A contract-abiding reader rejects every one of them."""

DAMAGE_OF_ITEMS: dict[str, Damage] = {
    "negative_price": _with_first_item(price=-100),
    "value_mismatch": _value_mismatch,
}
"""Damage that only events with items can suffer."""

MALFORMED = (*DAMAGE, *DAMAGE_OF_ITEMS)

RARE = {"oversized": 0.1}
"""How often a kind is chosen compared to the others."""


def _pick_damage(fields: dict[str, Any], rng: random.Random) -> str:
    kinds = MALFORMED if "items" in fields else tuple(DAMAGE)
    return rng.choices(kinds, [RARE.get(kind, 1.0) for kind in kinds])[0]


def damaged(record: Record, fields: dict[str, Any], kind: str, rng: random.Random) -> Record:
    """A damaged copy of an event under an id of its own; `fields` are the event's, with sent_at."""
    damage = DAMAGE.get(kind) or DAMAGE_OF_ITEMS[kind]
    value = damage(fields | {"event_id": new_uuid(rng)}, rng)
    key = None if kind == "null_key" else record.key
    return record._replace(key=key, value=value, kind=kind, revenue_cents=0, refund_cents=0)


def conflicting(record: Record, fields: dict[str, Any], rng: random.Random) -> Record:
    """What another program reports under the same id, within a second: from its own clock, or another device."""
    other = {"device": "tablet" if fields["device"] == "desktop" else "desktop"}
    if rng.random() < 0.5:
        other["occurred_at"] = rfc3339(record.occurred_ms - rng.randrange(1, 90_000))
    after_ms = rng.randrange(20, 900)
    return _besides(record, CONFLICT, after_ms, encode(fields | other))


def reloaded(record: Record, fields: dict[str, Any], rng: random.Random) -> Record:
    """The same order under another id, when the page that says thank you is loaded again."""
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
    return record._replace(at_ms=record.at_ms + after_ms, value=value, kind=kind, revenue_cents=0, refund_cents=0)


def send(events: Iterable[Event], rates: Rates, rng: random.Random) -> Iterator[Record]:
    """The records of `events` in the order in which they are sent, with faults among them.

    What is held back when the events end is sent then, so that every event is sent. An event counts once: as `event`
    or as `late`; duplicates of any kind and malformed copies come on top.
    """
    held: list[tuple[int, int, Record]] = []
    number = 0
    for occurred_ms, key, fields in events:
        while held and held[0][0] <= occurred_ms:
            yield heappop(held)[2]
        late = rng.random() < rates.late
        at_ms = occurred_ms + (int(rng.uniform(*LATE_MINUTES) * 60_000) if late else 0)
        fields["sent_at"] = rfc3339(at_ms)
        name = fields["event_name"]
        record = Record(
            at_ms,
            key,
            encode(fields),
            LATE if late else EVENT,
            name,
            occurred_ms,
            fields["reporting_value"] if name == "purchase" else 0,
            fields["reporting_value"] if name == "refund" else 0,
        )
        sent = [record]
        if rng.random() < rates.malformed:
            sent.append(damaged(record, fields, _pick_damage(fields, rng), rng))
        if rng.random() < rates.duplicates:
            # A client that saw no answer tries again within a second; one that went offline, minutes later.
            after_ms = rng.uniform(20, 900) if rng.random() < 0.7 else rng.uniform(1, 10) * 60_000
            sent.append(_besides(record, DUPLICATE, int(after_ms), record.value))
        if rng.random() < rates.conflicts:
            sent.append(conflicting(record, fields, rng))
        if name == "purchase" and rng.random() < rates.reloads:
            sent.append(reloaded(record, fields, rng))
        for each in sent:
            if each.at_ms == occurred_ms:
                yield each
            else:
                number += 1
                heappush(held, (each.at_ms, number, each))
    while held:
        yield heappop(held)[2]
