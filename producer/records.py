"""What is simulated, and what is made of it: events, and records for Kafka."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

EVENT, LATE, DUPLICATE, CONFLICT, RELOAD = "event", "late", "duplicate", "conflict", "reload"
"""Kinds of records besides those that are malformed."""
MS_PER_DAY = 86_400_000
GOOD = (EVENT, LATE)
"""Those that count. The other kinds above are good as well, but an event counts that is the same."""


class Event(NamedTuple):
    """Something that happened, before it is sent."""

    occurred_ms: int
    """Milliseconds since the epoch, by the simulated clock."""
    key: bytes
    fields: dict[str, Any]
    """As in the contract, without sent_at."""
    again: bool = False
    """Whether it is the same as one before, sent once more."""


class Record(NamedTuple):
    """What is given to Kafka, and what it is."""

    at_ms: int
    """When it is sent, in milliseconds since the epoch, by the simulated clock."""
    key: bytes | None
    value: bytes | None
    kind: str
    """`event`, `late` (an event that is sent long after it happened), `duplicate` (sent a second time), `conflict`
    (other contents under the same id), `reload` (the same under another id), or the name of a damage."""
    event_name: str
    occurred_ms: int
    amount: int
    """As the contract's amount has it; 0 for what does not count."""


class Dice(random.Random):
    """Random numbers of a simulation. Its ids are drawn apart from what happens: from another text, the same happens
    with other ids."""

    def __init__(self, course: str, ids: str) -> None:
        super().__init__(course)
        self.ids = random.Random(ids)  # noqa: S311 - nothing here is a secret


def new_uuid(rng: random.Random) -> str:
    """A random UUID (version 4) in its text form."""
    bits = rng.getrandbits(128) & ~0xF000_C000_0000_0000_0000 | 0x4000_8000_0000_0000_0000
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


Strikes = Callable[[str, int], bool]
"""Whether an incident of a kind strikes at a moment, in milliseconds since the epoch."""


def never(_kind: str, _at_ms: int) -> bool:
    """There is no incident."""
    return False


class Course(NamedTuple):
    """What a domain's simulation goes by."""

    rng: Dice
    start_ms: int
    """From when on there are events, in milliseconds since the epoch."""
    day_ms: int
    """The time of day that it is there then, in milliseconds."""
    rate: float
    """Events a second, in the mean over a day."""
    strikes: Strikes = never
    history_ms: int = 0
    """How long before the start the time began of which there may be told at the start, where events can tell of it."""


encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(epoch_ms: int) -> str:
    seconds, ms = divmod(epoch_ms, 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


def happened(rng: Dice, at_ms: int, key: bytes, name: str, fields: Mapping[str, Any]) -> Event:
    """An event under an id of its own; `fields` are those that the domain adds, with schema_version."""
    envelope = {
        "event_id": new_uuid(rng.ids),
        "event_name": name,
        "occurred_at": rfc3339(at_ms),
        "sent_at": "",  # known when it is sent; here to stand beside occurred_at
    }
    return Event(at_ms, key, {**envelope, **fields})
