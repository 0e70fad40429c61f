"""Events for unit tests: a good one, changed as a test asks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

APPENDED_AT = datetime(2026, 3, 14, 15, 9, 26, 535000, tzinfo=UTC)
ITEM = {
    "item_id": "0b3f4e6a-0000-4000-8000-000000000003",
    "item_name": "Lamp",
    "item_category": "Home",
    "price": 500,
    "quantity": 2,
    "reporting_value": 1000,
}


def text_of(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


def good_event(
    minutes: float = 0, item: dict[str, Any] | None = None, at: datetime = APPENDED_AT, **changes: Any
) -> dict[str, Any]:
    """A good event that occurred `minutes` after `at`; a change to None removes the field."""
    event = {
        "event_id": "0b3f4e6a-0000-4000-8000-000000000001",
        "event_name": "view_item",
        "schema_version": 1,
        "occurred_at": text_of(at + timedelta(minutes=minutes)),
        "sent_at": text_of(at + timedelta(minutes=max(minutes, 0), seconds=1)),
        "anonymous_id": "0b3f4e6a-0000-4000-8000-000000000004",
        "session_id": "0b3f4e6a-0000-4000-8000-000000000002",
        "device": "mobile",
        "country": "DE",
        "utm_source": "google",
        "currency": "EUR",
        "value": 1000,
        "reporting_value": 1000,
        "items": [ITEM | (item or {})],
    }
    return {name: value for name, value in (event | changes).items() if value is not None}


def encoded(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def appended(count: int, at: datetime = APPENDED_AT) -> pl.Series:
    """The broker's times of `count` records."""
    return pl.Series([at] * count, dtype=pl.Datetime("us", "UTC"))
