"""A checkpoint folder and its store: they belong together, or the query is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spark_jobs.checkpoint import (
    Checkpoint,
    CheckpointRefused,
    Progress,
    check_kept,
    from_json,
    records_between,
    to_json,
)

TOPIC = "shop.events"
OFFSETS = {0: 5, 1: 7}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "aggregate", TOPIC)


def plan(checkpoint: Checkpoint, batch_id: int, offsets: dict[int, int], commit: bool = True) -> None:
    """What Spark writes when it plans, and commits, a micro-batch."""
    for log, text in {
        "offsets": 'v1\n{"batchWatermarkMs":0}\n' + json.dumps({TOPIC: {str(p): o for p, o in offsets.items()}}),
        **({"commits": "v1\n{}"} if commit else {}),
    }.items():
        path = Path(checkpoint.spark_folder) / log / str(batch_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_fresh_start(checkpoint: Checkpoint) -> None:
    checkpoint.check("aggregate", None)


def test_going_on_where_both_are(checkpoint: Checkpoint) -> None:
    identity = checkpoint.create()
    plan(checkpoint, 0, OFFSETS)
    checkpoint.check("aggregate", Progress(identity, 0, OFFSETS))


def test_going_on_after_a_crash_between_the_two_commits(checkpoint: Checkpoint) -> None:
    identity = checkpoint.create()
    plan(checkpoint, 0, {0: 1, 1: 1})
    plan(checkpoint, 1, OFFSETS, commit=False)
    checkpoint.check("aggregate", Progress(identity, 1, OFFSETS))
    checkpoint.check("aggregate", Progress(identity, 0, {0: 1, 1: 1}))


def test_a_lost_one_is_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(CheckpointRefused, match=r"lost.*make rebuild"):
        checkpoint.check("aggregate", Progress("x", 0, OFFSETS))


def test_one_without_a_store_is_refused(checkpoint: Checkpoint) -> None:
    checkpoint.create()
    with pytest.raises(CheckpointRefused, match=r"knows none.*make rebuild"):
        checkpoint.check("aggregate", None)


def test_another_stacks_is_refused(checkpoint: Checkpoint) -> None:
    checkpoint.create()
    plan(checkpoint, 0, OFFSETS)
    with pytest.raises(CheckpointRefused, match=r"another stack's.*make rebuild"):
        checkpoint.check("aggregate", Progress("x", 0, OFFSETS))


@pytest.mark.parametrize("stored", [0, 3])
def test_an_older_copy_of_either_is_refused(checkpoint: Checkpoint, stored: int) -> None:
    identity = checkpoint.create()
    for batch_id in range(3):
        plan(checkpoint, batch_id, OFFSETS)
    with pytest.raises(CheckpointRefused, match=r"older copy.*make rebuild"):
        checkpoint.check("aggregate", Progress(identity, stored, OFFSETS))


def test_other_offsets_are_refused(checkpoint: Checkpoint) -> None:
    identity = checkpoint.create()
    plan(checkpoint, 0, OFFSETS)
    with pytest.raises(CheckpointRefused, match="differ about the offsets"):
        checkpoint.check("aggregate", Progress(identity, 0, {0: 5, 1: 6}))


@pytest.mark.parametrize("text", ["", "v1\n{", 'v1\n{}\n{"other.topic": {}}'])
@pytest.mark.parametrize("batch_id", [0, 1])
def test_an_entry_that_can_not_be_read_is_refused(checkpoint: Checkpoint, batch_id: int, text: str) -> None:
    identity = checkpoint.create()
    plan(checkpoint, 0, OFFSETS)
    plan(checkpoint, 1, OFFSETS, commit=False)
    (Path(checkpoint.spark_folder) / "offsets" / str(batch_id)).write_text(text)
    with pytest.raises(CheckpointRefused, match=r"can't be read.*make rebuild"):
        checkpoint.check("aggregate", Progress(identity, 0, OFFSETS))


def test_records_that_kafka_has_deleted_unread_are_refused() -> None:
    check_kept("archive", {0: 5, 1: 7}, {0: 0, 1: 7, 2: 0})
    gone = r"partition 1, offsets 7 to 8; partition 2, offsets 0 to 2.*make rebuild.*KAFKA_RETENTION_HOURS"
    with pytest.raises(CheckpointRefused, match=gone):
        check_kept("archive", {0: 5, 1: 7}, {0: 5, 1: 9, 2: 3})


def test_records_between_offsets() -> None:
    assert records_between({0: 1, 1: 2}, {0: 4, 1: 2, 2: 5}) == 8
    assert from_json(to_json(OFFSETS)) == OFFSETS
