"""How many tasks run at once in local mode, and how many Python workers stay."""

from __future__ import annotations

import pytest

from settings import Settings
from spark_jobs import session, source

DOMAINS = [("ecommerce",), ("ecommerce", "market"), ("one", "two", "three")]


@pytest.mark.parametrize("domains", DOMAINS)
@pytest.mark.parametrize("partitions", [1, 2, 5])
def test_a_store_that_is_away_leaves_the_other_queries_their_threads(domains: tuple[str, ...], partitions: int):
    """Each domain has one query into it, and each query a task a partition."""
    threads = session.threads(Settings(domains=domains, kafka_partitions=partitions))
    waiting = partitions * len(domains)
    assert threads - waiting == partitions


@pytest.mark.parametrize(("records", "tasks"), [(0, 1), (1, 1), (2_000, 1), (2_001, 2), (100_000, 50)])
def test_a_small_micro_batch_is_one_task(records: int, tasks: int):
    assert source.tasks(records) == tasks


@pytest.mark.parametrize("domains", DOMAINS)
@pytest.mark.parametrize("partitions", [1, 2, 5])
def test_no_worker_is_ended_that_the_next_micro_batch_needs(domains: tuple[str, ...], partitions: int):
    kept = session.workers_kept(Settings(domains=domains, kafka_partitions=partitions))
    assert kept >= 2 * len(domains) * source.tasks(0), "all queries, without a backlog"
    assert kept >= 2 * partitions, "one domain's, with one"
