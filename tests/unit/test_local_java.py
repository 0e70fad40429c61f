"""Which Java runs which server."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.native.java import Java, for_cassandra, for_kafka_and_spark, major_version


@pytest.mark.parametrize(
    ("system", "installed", "kafka_and_spark", "cassandra"),
    [
        ("Debian 12", [17], 17, 17),
        ("Debian 13", [21], 21, None),
        ("Debian 13, with a 25 in JAVA_HOME", [25, 21], 21, None),
        ("Ubuntu 22.04, where Maven brings an 11", [11, 17], 17, 17),
        ("Ubuntu 24.04, where Maven brings a 21", [21, 17], 17, 17),
        ("one with nothing that suits", [8, 11, 25], None, None),
        ("one without any", [], None, None),
    ],
)
def test_kafka_and_spark_share_cassandra_s_java_where_there_is_one(
    system: str, installed: list[int], kafka_and_spark: int | None, cassandra: int | None
) -> None:
    found = [Java(Path(f"/jvm/{version}"), version) for version in installed]
    chosen = for_kafka_and_spark(found), for_cassandra(found)
    assert tuple(java and java.version for java in chosen) == (kafka_and_spark, cassandra), system


def test_the_first_of_those_that_suit_is_taken() -> None:
    found = [Java(Path("/jvm/first"), 17), Java(Path("/jvm/second"), 17)]
    assert for_kafka_and_spark(found) == for_cassandra(found) == found[0]
    newer = [Java(Path("/jvm/first"), 18), Java(Path("/jvm/second"), 21)]
    assert for_kafka_and_spark(newer) == newer[0]


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("no such program", None),
    ],
)
def test_java_states_its_version(text: str, major: int | None) -> None:
    assert major_version(text) == major
