"""What a setting says holds after the first start as well, or it is refused with a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from local.choice import preferred
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from settings import SettingError, Settings, load
from stores import cassandra, kafka, time_to_live
from stores.kafka import bounds, end_offsets
from tests.integration.pipeline import FAULTS, assert_equals_recomputation, assert_exact, minutes_ago, shop

pytestmark = pytest.mark.integration

SEED, EVENTS = 20_260_314, 20_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


@pytest.fixture
def topics(stack: Stack) -> Iterator[Settings]:
    """Settings of a domain that has nothing but its topics, which are gone afterwards."""
    settings = replace(stack.settings, domains=("topics",), kafka_partitions=2)
    kafka.set_up(settings)
    yield settings
    client = KafkaAdminClient(bootstrap_servers=settings.kafka)
    client.delete_topics([settings.events_topic, settings.dead_letter_topic])
    client.close()


def retention_ms(settings: Settings, topic: str) -> int:
    client = KafkaAdminClient(bootstrap_servers=settings.kafka)
    asked = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": None})
    found = client.describe_configs([asked], config_filter="all")["topic"][topic]
    client.close()
    return int(found["retention.ms"]["value"])


def test_records_are_kept_for_as_long_as_the_settings_say_by_now(topics: Settings) -> None:
    said: list[str] = []
    kafka.set_up(replace(topics, kafka_retention_hours=5, cassandra_ttl_days=7), said.append)
    assert retention_ms(topics, topics.events_topic) == 5 * HOUR_MS
    assert retention_ms(topics, topics.dead_letter_topic) == 7 * DAY_MS
    assert len(said) == 2
    assert f"topics.events has retention.ms={5 * HOUR_MS} instead of {72 * HOUR_MS}" in "".join(said)


def test_raw_events_are_kept_for_as_long_as_the_settings_say_by_now(stack: Stack) -> None:
    def ttl_seconds() -> int:
        with cassandra.connected(stack.settings, "admin") as session:
            return cassandra.tables(session, stack.settings.domain)["events"].options["default_time_to_live"]

    def noted() -> list[int]:
        with cassandra.connected(stack.settings, "reader", stack.settings.domain) as session:
            return [life.days for life in time_to_live.read(session)]

    before = ttl_seconds()
    cassandra.set_up(replace(stack.settings, cassandra_ttl_days=7))
    assert ttl_seconds() == 7 * 86_400
    cassandra.set_up(stack.settings)
    assert ttl_seconds() == before
    assert noted() == [before // 86_400, 7, before // 86_400]


def test_a_topic_gets_more_partitions_and_loses_none(topics: Settings) -> None:
    said: list[str] = []
    kafka.set_up(replace(topics, kafka_partitions=3), said.append)
    assert len(bounds(topics)[0]) == 3
    assert said == ["Kafka: topics.events has 3 partitions instead of 2"]
    with pytest.raises(SettingError, match=r"KAFKA_PARTITIONS=2 is not allowed: the topic topics\.events has 3"):
        kafka.set_up(replace(topics, kafka_partitions=2))


@pytest.mark.long
def test_more_partitions_while_the_stream_runs_stay_exact() -> None:
    with throwaway_stack(runtime=preferred(load())) as stack:
        stack.start("spark")
        settings, opened = stack.settings, minutes_ago(25)
        assert shop(settings, SEED, opened, 5, EVENTS, **FAULTS).wait() == 0
        sending = shop(settings, SEED + 1, opened, 5, EVENTS, **FAULTS)
        grown = replace(settings, kafka_partitions=settings.kafka_partitions + 2)
        kafka.set_up(grown)
        assert sending.wait() == 0
        assert shop(grown, SEED + 2, opened, 5, EVENTS, **FAULTS).wait() == 0
        assert assert_exact(stack).acknowledged > 3 * EVENTS
        assert min(end_offsets(settings).values()) > EVENTS / 10
        assert_equals_recomputation(stack)
