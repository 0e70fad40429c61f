"""A checkpoint that a power cut has damaged is refused by the name of its file, and `rebuild` mends it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from local.native.stack import Stack
from spark_jobs import aggregate, archive
from tests.integration.pipeline import FAULTS, assert_exact, minutes_ago, shop, spark_jobs

pytestmark = pytest.mark.integration

SEED = 20_260_411
EVENTS, OPEN_MINUTES = 4000, 10
SHOPS = 2
QUERIES = (archive, aggregate)

send = partial(shop, minutes=OPEN_MINUTES, events=EVENTS, **FAULTS)


@pytest.fixture(scope="module")
def stopped(pipeline: Stack) -> Stack:
    """The stack with shops that were counted in some micro-batches, one that is not counted yet, and Spark stopped."""
    for number in range(SHOPS):
        assert send(pipeline.settings, SEED + number, minutes_ago(OPEN_MINUTES)).wait() == 0
        assert_exact(pipeline)
    pipeline.stop("spark")
    assert send(pipeline.settings, SEED + SHOPS, minutes_ago(OPEN_MINUTES)).wait() == 0
    return pipeline


def files(stack: Stack, query: ModuleType) -> Iterator[tuple[Path, bytes | None]]:
    """The files of a query's checkpoint that Spark starts from, each with a damage to it; None: it is gone."""
    checkpoint = query.checkpoint(stack.settings)
    spark, planned = Path(checkpoint.spark_folder), checkpoint.planned_batch()
    assert planned >= 1
    yield spark / "offsets" / str(planned - 1), None
    yield spark / "offsets" / str(planned + 1), b""
    yield spark / "commits" / str(checkpoint.committed_batch()), b""
    yield spark / "metadata", b"{"
    yield checkpoint.folder / "checkpoint_id", b""
    yield spark / "offsets" / str(planned), b""


def damage(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def assert_refused(stack: Stack, path: Path, *words: str) -> None:
    refused = spark_jobs(stack.settings, *words)
    assert refused.returncode == os.EX_CONFIG, refused.stdout[-3000:]
    assert re.search(rf"{path} can't be read.*run 'make rebuild'", refused.stdout), refused.stdout[-3000:]
    assert "Traceback" not in refused.stdout


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.QUERY)
def test_a_damaged_one_is_refused(stopped: Stack, query: ModuleType) -> None:
    for path, content in files(stopped, query):
        before = path.read_bytes() if path.exists() else None
        damage(path, content)
        assert_refused(stopped, path)
        damage(path, before)


@pytest.mark.parametrize("command", [("rebuild", "--check"), ("replay",)], ids=" ".join)
def test_the_other_commands_say_so(stopped: Stack, command: tuple[str, ...]) -> None:
    path, content = next(files(stopped, archive))
    before = path.read_bytes()
    damage(path, content)
    assert_refused(stopped, path, *command)
    damage(path, before)


def test_rebuild_mends_it(stopped: Stack) -> None:
    for query in QUERIES:
        *_, (path, content) = files(stopped, query)
        damage(path, content)
    rebuilt = spark_jobs(stopped.settings, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    stopped.start("spark")
    assert_exact(stopped)
