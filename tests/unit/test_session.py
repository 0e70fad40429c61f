"""How many tasks run at once in local mode."""

from __future__ import annotations

import pytest

from settings import Settings
from spark_jobs import session


@pytest.mark.parametrize("domains", [("ecommerce",), ("ecommerce", "market"), ("one", "two", "three")])
@pytest.mark.parametrize("partitions", [1, 2, 5])
def test_a_store_that_is_away_leaves_the_other_queries_their_threads(domains: tuple[str, ...], partitions: int):
    """Each domain has one query into it, and each query a task a partition."""
    threads = session.threads(Settings(domains=domains, kafka_partitions=partitions))
    waiting = partitions * len(domains)
    assert threads - waiting == partitions
