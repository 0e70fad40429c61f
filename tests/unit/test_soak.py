"""When a long run counts as flat."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.soak import WARM_UP_MINUTES, Minute, grown

FLAT = [Minute(n, 1000 * n, 300.0, 900.0, 250.0, 1200.0, 800.0, 400, 2000) for n in range(1, 31)]


def test_flat_is_flat_whatever_the_first_minutes_were() -> None:
    minutes = [replace(m, spark_mb=100.0) if m.minute <= WARM_UP_MINUTES else m for m in FLAT]
    assert grown(minutes) == []


@pytest.mark.parametrize("name", ["kafka_mb", "cassandra_mb", "mysql_mb", "spark_mb", "disk_bytes_per_record"])
def test_what_grows_with_time_is_found(name: str) -> None:
    minutes = [replace(m, **{name: getattr(m, name) * (1 + m.minute / 30)}) for m in FLAT]
    [found] = grown(minutes)
    assert found.startswith(f"{name} grew from")


def test_a_small_latency_may_double() -> None:
    assert grown([replace(m, latency_p95_ms=200 + 10 * m.minute) for m in FLAT]) == []
    [found] = grown([replace(m, latency_p95_ms=200 + 100 * m.minute) for m in FLAT])
    assert found.startswith("latency_p95_ms")
