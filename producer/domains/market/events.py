"""An event of the market, whoever tells it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid5

from producer.records import Event, rfc3339

VERSION = 1


def event_id(venue: UUID, symbol: str, name: str, number: int) -> str:
    """As an exchange numbers what it tells: told once more, it has the same id."""
    return str(uuid5(venue, f"{symbol} {name} {number}"))


def event(venue: UUID, symbol: str, name: str, number: int, at_ms: int, fields: dict[str, Any]) -> Event:
    envelope = {
        "event_id": event_id(venue, symbol, name, number),
        "event_name": name,
        "schema_version": VERSION,
        "occurred_at": rfc3339(at_ms),
        "sent_at": "",  # known when it is sent
        "symbol": symbol,
    }
    return Event(at_ms, symbol.encode(), {**envelope, **fields})
