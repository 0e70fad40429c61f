"""The dead letter: rejected records as they were, with the reason and their address.

Of a record that is too long there is the beginning, and its length.

A record may be written more than once, after a crash; its address (topic, partition, offset) tells that it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from kafka import KafkaProducer

from settings import Settings
from stores.kafka import MAX_DEAD_LETTER_BYTES, outages, read_all

FLUSH_TIMEOUT_S = 30.0
MOST_PARTITIONS = 100_000


@dataclass(frozen=True)
class Reject:
    """A rejected record: key and value as they were, or as much of them as is kept of long ones; the value's length in
    bytes, why, and where it was (`generation`: how many times the topic had begun anew; `appended_at`: the broker's
    time, UTC)."""

    key: bytes | None
    value: bytes | None
    length: int
    reason: str
    detail: str
    topic: str
    generation: int
    partition: int
    offset: int
    appended_at: datetime

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        names = ("reason", "detail", "length", "topic", "generation", "partition", "offset")
        return [
            *((name, str(getattr(self, name)).encode("utf-8", "replace")) for name in names),
            ("appended_at", self.appended_at.isoformat().encode()),
        ]


@cache
def _producer(servers: str) -> KafkaProducer:
    return KafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        max_request_size=MAX_DEAD_LETTER_BYTES,
    )


def write(settings: Settings, rejects: Iterable[Reject]) -> None:
    """Publishes a domain's rejects and waits until the broker has them all. Raises Unavailable."""
    with outages():
        producer, topic = _producer(settings.kafka), settings.dead_letter_topic
        # A tombstone's absent value would stay absent: an empty one is what it is told by, with the reason `empty`.
        sent = [producer.send(topic, reject.value or b"", reject.key, reject.headers) for reject in rejects]
        try:
            producer.flush(timeout=FLUSH_TIMEOUT_S)
            for future in sent:
                future.get(timeout=FLUSH_TIMEOUT_S)
        except BaseException:
            _producer.cache_clear()
            raise


Place = tuple[int, int]
"""Partition and offset of a record, as tables have them."""


@dataclass(frozen=True)
class Address:
    """Where a rejected record was, why it was rejected, when the broker took it (UTC), its length in bytes, and how
    many times the topic had begun anew."""

    partition: int
    offset: int
    reason: str
    appended_at: datetime
    length: int
    generation: int = 0

    @property
    def place(self) -> Place:
        """Those of a topic that began anew are told from the ones before."""
        return self.generation * MOST_PARTITIONS + self.partition, self.offset


Letter = tuple[Address, bytes]
"""A rejected record, and its value."""


def letters(settings: Settings, since: datetime | None = None) -> Iterator[Letter]:
    """The rejected records of the domain with their values, each once however often it was written; those that came
    from `since` on (UTC), and some before. Raises Unavailable."""
    found = set()
    for record in read_all(settings, settings.dead_letter_topic, since):
        headers = {name: value.decode() for name, value in record.headers}
        appended_at = datetime.fromisoformat(headers["appended_at"])
        length = int(headers.get("length", len(record.value)))  # earlier letters have whole records, and don't say
        generation = int(headers.get("generation", 0))  # earlier letters are of the first
        partition, offset = int(headers["partition"]), int(headers["offset"])
        # A topic that lost its end alone is read once more, as if it had begun anew: then the time is the same, too.
        if (partition, offset, appended_at) not in found:
            found.add((partition, offset, appended_at))
            yield Address(partition, offset, headers["reason"], appended_at, length, generation), record.value


def addresses(settings: Settings) -> list[Address]:
    """The addresses of the domain's rejected records. Raises Unavailable."""
    return [address for address, _ in letters(settings)]
