"""The events topic, and what any right count of it must come to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from kafka import KafkaConsumer, TopicPartition

from bench.baselines.stores import DIMENSIONS, Sums
from settings import Settings
from stores.offsets import Offsets


class Event(msgspec.Struct):
    """What the baselines read of an event."""

    event_name: str
    occurred_at: datetime
    country: str
    device: str
    utm_source: str | None = None
    reporting_value: int | None = None

    @property
    def source(self) -> str:
        return self.utm_source or "(direct)"


def values(settings: Settings, ends: Offsets, start: Offsets | None = None) -> Iterator[bytes]:
    """The records of the events topic from its beginning, or from `start`, up to `ends`."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
    try:
        consumer.assign([TopicPartition(settings.events_topic, partition) for partition in ends])
        for partition, offset in (start or {}).items():
            consumer.seek(TopicPartition(settings.events_topic, partition), offset)
        left = sum(ends.values()) - sum((start or {}).values())
        while left:
            for partition, messages in consumer.poll(timeout_ms=1000).items():
                for message in messages:
                    if message.offset < ends[partition.partition]:
                        left -= 1
                        yield message.value
    finally:
        consumer.close()


def expected(settings: Settings, ends: Offsets) -> dict[str, Sums]:
    """Dimension -> its sums, counted one by one."""
    decoder = msgspec.json.Decoder(Event)
    sums: dict[str, Sums] = {dimension: {} for dimension in DIMENSIONS}
    for value in values(settings, ends):
        event = decoder.decode(value)
        minute = event.occurred_at.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None)
        cents = event.reporting_value or 0 if event.event_name == "purchase" else 0
        for dimension, found in sums.items():
            key = minute, getattr(event, dimension)
            events, before = found.get(key, (0, 0))
            found[key] = events + 1, before + cents
    return sums
