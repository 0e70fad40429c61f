"""Kafka: the domain's topics."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from settings import SettingError, Settings
from stores.offsets import Offsets
from stores.retry import Unavailable

log = logging.getLogger(__name__)

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""What the broker takes, far above what the validator takes: a record that is too long must reach the dead letter."""

FETCH_WITHIN_S = 2.0
MAX_DEAD_LETTER_BYTES = 1024 * 1024
"""A dead letter is a record as it was, cut at a quarter of this, with a key of at most as much and headers that say why
and whence."""


@contextmanager
def outages() -> Iterator[None]:
    """Turns the client's errors that can be retried into Unavailable."""
    try:
        yield
    except KafkaError as error:
        if error.retriable:
            raise Unavailable(f"Kafka: {type(error).__name__}: {error}") from error
        raise


def topics(settings: Settings) -> dict[str, dict[str, object]]:
    """The domain's topics with their settings, as the admin client takes them."""
    common = {
        # The broker's clock, not the senders': lateness must not depend on what a sender claims.
        "message.timestamp.type": "LogAppendTime",
    }
    hour_ms = 3600 * 1000
    return {
        settings.events_topic: {
            "num_partitions": settings.kafka_partitions,
            "replication_factor": -1,
            "configs": {
                **common,
                "max.message.bytes": str(MAX_RECORD_BYTES),
                "retention.ms": str(settings.kafka_retention_hours * hour_ms),
            },
        },
        settings.dead_letter_topic: {
            "num_partitions": 1,
            "replication_factor": -1,
            "configs": {
                **common,
                "max.message.bytes": str(MAX_DEAD_LETTER_BYTES),
                "retention.ms": str(settings.cassandra_ttl_days * 24 * hour_ms),
            },
        },
    }


def set_up(settings: Settings, report: Callable[[str], None] = log.info) -> None:
    """Makes the topics that are missing, and those that are there what the settings say.

    Raises SettingError where a topic would lose partitions, and Unavailable.
    """
    with outages():
        client = KafkaAdminClient(bootstrap_servers=settings.kafka)
        try:
            wanted = topics(settings)
            there = set(client.list_topics())
            missing = {name: what for name, what in wanted.items() if name not in there}
            if missing:
                client.create_topics(missing, wait_for_metadata=True)
                report(f"Kafka: made {', '.join(missing)}")
            for name, what in wanted.items():
                if name in there:
                    _add_partitions(client, name, what["num_partitions"], report)
                    _configure(client, name, what["configs"], report)
        finally:
            client.close()


def _add_partitions(client: KafkaAdminClient, topic: str, wanted: int, report: Callable[[str], None]) -> None:
    [description] = client.describe_topics([topic])
    there = len(description["partitions"])
    if wanted < there:
        raise SettingError(
            f"KAFKA_PARTITIONS={wanted} is not allowed: the topic {topic} has {there}, and Kafka takes none away"
        )
    if wanted > there:
        client.create_partitions({topic: wanted})
        report(f"Kafka: {topic} has {wanted} partitions instead of {there}")


def _configure(client: KafkaAdminClient, topic: str, wanted: dict[str, str], report: Callable[[str], None]) -> None:
    asked = ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(wanted))
    found = client.describe_configs([asked], config_filter="all")["topic"][topic]
    other = {key: value for key, value in wanted.items() if found[key]["value"] != value}
    if other:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, other)])
        changes = (f"{key}={value} instead of {found[key]['value']}" for key, value in other.items())
        report(f"Kafka: {topic} has {', '.join(changes)}")


@contextmanager
def _asked(settings: Settings) -> Iterator[tuple[KafkaConsumer, list[TopicPartition]]]:
    """A client to ask about the events' topic, and its partitions. Raises Unavailable."""
    topic = settings.events_topic
    with outages():
        consumer = KafkaConsumer(bootstrap_servers=settings.kafka)
        try:
            partitions = partitions_of(consumer, topic)
            if not partitions:
                raise Unavailable(f"Kafka has no topic {topic}: 'make up' makes it")
            yield consumer, partitions
        finally:
            consumer.close()


def bounds(settings: Settings) -> tuple[Offsets, Offsets]:
    """The first offset of each partition of the events' topic, and the next one at its end. Raises Unavailable."""
    with _asked(settings) as (consumer, partitions):
        return by_number(consumer.beginning_offsets(partitions)), by_number(consumer.end_offsets(partitions))


def end_offsets(settings: Settings) -> Offsets:
    """The next offset of each partition of the events' topic. Raises Unavailable."""
    with _asked(settings) as (consumer, partitions):
        return by_number(consumer.end_offsets(partitions))


def partitions_of(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """A topic's partitions in the order of their numbers; none where there is no such topic."""
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


def by_number(found: Mapping[TopicPartition, int]) -> Offsets:
    """A topic's offsets, as the client gives them."""
    return {partition.partition: offset for partition, offset in found.items()}


def appended_ms(consumer: KafkaConsumer, topic: str, partition: int, offset: int) -> int | None:
    """When the broker took a record, as milliseconds since 1970; None where it does not say so in time."""
    place = TopicPartition(topic, partition)
    consumer.assign([place])
    consumer.seek(place, offset)
    deadline = time.monotonic() + FETCH_WITHIN_S
    while time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200, max_records=1).values():
            return records[0].timestamp
    return None


def read_all(settings: Settings, topic: str, since: datetime | None = None) -> Iterator[Any]:
    """The records of a topic from its beginning, or from a time (UTC) on, to where its end is now. Raises
    Unavailable."""
    with outages():
        consumer = KafkaConsumer(
            bootstrap_servers=settings.kafka,
            enable_auto_commit=False,
            fetch_max_bytes=8 * MAX_RECORD_BYTES,
            max_partition_fetch_bytes=2 * MAX_RECORD_BYTES,
        )
        try:
            partitions = partitions_of(consumer, topic)
            end = consumer.end_offsets(partitions)
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            since_ms = dict.fromkeys(partitions, int(since.timestamp() * 1000)) if since else {}
            for partition, first in consumer.offsets_for_times(since_ms).items():
                consumer.seek(partition, first.offset if first else end[partition])
            while any(consumer.position(p) < end[p] for p in partitions):
                for partition, records in consumer.poll(timeout_ms=1000).items():
                    yield from (record for record in records if record.offset < end[partition])
        finally:
            consumer.close()
