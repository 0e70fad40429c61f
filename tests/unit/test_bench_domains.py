"""What a second domain takes: what is bounded, and the tables."""

from __future__ import annotations

import pytest

from bench import domains
from bench.domains import Found
from bench.latency import Latencies

LATENCIES = Latencies(200, 8_000, (900, 1_500, 1_900), (1_200, 1_800, 2_000))
ALONE = Found(LATENCIES, {"ecommerce": [0.5, 1.0, 1.5]}, {"spark": 900.0, "mysql": 300.4})
BOTH = Found(
    LATENCIES,
    {"ecommerce": [0.5, 1.5, 29.0], "market": [1.0, 2.0, 3.0]},
    {"spark": 1_200.0, "mysql": 350.4, "producer of market": 80.0},
)


def test_the_worst_of_all_domains_is_bounded():
    found = domains.figures(ALONE, BOTH)
    assert found == {
        "committed p95, s": 1.5,
        "median age, s": 2.0,
        "highest age, s": 29.0,
        "more memory, MB": pytest.approx(430),
    }
    assert domains.exceeded(found) == ["more memory, MB: 430.0, at most 400.0"]


@pytest.mark.parametrize("name", domains.BOUNDS)
def test_every_bound_can_be_exceeded(name: str):
    kept = dict(domains.BOUNDS)
    assert domains.exceeded(kept) == []
    assert [each.partition(":")[0] for each in domains.exceeded(kept | {name: kept[name] + 1})] == [name]


def test_a_table_has_a_row_a_stack():
    waited = "0.90 s | 1.50 s | 1.90 s | 1.20 s | 1.80 s | 2.00 s"
    [heads, _, *rows] = domains.table({"ecommerce": ALONE, "ecommerce, market": BOTH}).splitlines()
    assert heads.endswith("| seen p99 | age of ecommerce | age of market | memory |")
    assert rows == [
        f"| ecommerce | {waited} | 1.0 s (1.5) |  | 1,200 MB |",
        f"| ecommerce, market | {waited} | 1.5 s (29.0) | 2.0 s (3.0) | 1,630 MB |",
    ]
    assert domains.memory_table(ALONE, BOTH).splitlines()[2:] == [
        "| spark | 900 | 1200 |",
        "| mysql | 300 | 350 |",
        "| producer of market | 0 | 80 |",
    ]
