"""A checkpoint folder and its store: they belong together, or the query is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from spark_jobs.checkpoint import Checkpoint, CheckpointRefused, Kept, Progress
from stores.offsets import from_json, records_between, to_json

TOPIC = "shop.events"
OFFSETS = {0: 5, 1: 7}
PLAN = 'v1\n{"batchWatermarkMs":0}\n' + json.dumps({TOPIC: {"0": 5, "1": 7}})
NO_JSON = {
    "empty": b"",
    "cut": b'{"',
    "zeros": b"\0\0\0\0",
    "no text": b"\xff\xfe",
    "no object": b"5",
    "nothing": b"{}",
}
NO_ENTRY = {
    "empty": b"",
    "version alone": b"v1\n{",
    "no version": b"{}",
    "another version": b"v9\n{}",
    "zeros": bytes(40),
    "no text": b"v1\n\xff",
}
NO_OFFSETS = NO_ENTRY | {
    "no offsets": b"v1\n{}",
    "cut": PLAN[:-3].encode(),
    "no metadata": PLAN.replace('{"batchWatermarkMs":0}', "").encode(),
    "another topic": b'v1\n{}\n{"other.topic":{"0":1}}',
    "two sources": f"{PLAN}\n{{}}".encode(),
    "no partitions": f'v1\n{{}}\n{{"{TOPIC}":5}}'.encode(),
    "no object": b"v1\n{}\n5",
    "a source without offsets": b"v1\n{}\n-",
}
NO_FIRST = {name: b"\0" + content for name, content in NO_OFFSETS.items()} | {"no byte": b""}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "aggregate", TOPIC)


def write(checkpoint: Checkpoint, name: str, content: str | bytes | None) -> None:
    """Puts something into one of the folder's files; None: it is gone."""
    path = checkpoint.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def plan(checkpoint: Checkpoint, batch_id: int, offsets: dict[int, int], commit: bool = True) -> None:
    """What Spark writes when it plans, and commits, a micro-batch."""
    text = json.dumps({TOPIC: {str(p): o for p, o in offsets.items()}})
    write(checkpoint, "spark/metadata", json.dumps({"id": str(uuid4())}))
    if batch_id == 0:
        write(checkpoint, "spark/sources/0/0", f"\0v1\n{text}")
    write(checkpoint, f"spark/offsets/{batch_id}", f'v1\n{{"batchWatermarkMs":0}}\n{text}')
    if commit:
        write(checkpoint, f"spark/commits/{batch_id}", 'v1\n{"nextBatchWatermarkMs":0}')


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


DAMAGED = {
    "spark/offsets/3": NO_OFFSETS,
    "spark/offsets/2": NO_OFFSETS | {"gone": None},
    "spark/offsets/4": {"empty": b""},
    "spark/commits/2": NO_ENTRY,
    "spark/metadata": NO_JSON | {"gone": None, "no id": b'{"id":"x"}'},
    "checkpoint_id": {"empty": b"", "zeros": bytes(36), "no text": b"\xff", "cut": b"11111111-2222"},
}


def damages(of: dict[str, dict[str, bytes | None]]) -> list[object]:
    return [
        pytest.param(name, content, id=f"{name} {what}")
        for name, contents in of.items()
        for what, content in contents.items()
    ]


@pytest.mark.parametrize("stored", [2, 3])
@pytest.mark.parametrize(("name", "content"), damages(DAMAGED))
def test_a_damaged_one_is_refused_by_the_name_of_its_file(
    checkpoint: Checkpoint, name: str, content: bytes | None, stored: int
) -> None:
    identity = checkpoint.create()
    for batch_id in range(4):
        plan(checkpoint, batch_id, OFFSETS, commit=batch_id < 3)
    checkpoint.check("aggregate", Progress(identity, stored, OFFSETS))
    write(checkpoint, name, content)
    with pytest.raises(CheckpointRefused, match=rf"{checkpoint.folder / name} can't be read.*make rebuild"):
        checkpoint.check("aggregate", Progress(identity, stored, OFFSETS))


@pytest.mark.parametrize("planned", [-1, 0])
@pytest.mark.parametrize("content", NO_FIRST.values(), ids=NO_FIRST)
def test_first_offsets_that_can_not_be_read_are_refused_until_one_is_committed(
    checkpoint: Checkpoint, planned: int, content: bytes
) -> None:
    identity = checkpoint.create()
    plan(checkpoint, 0, OFFSETS, commit=False)
    if planned < 0:
        shutil.rmtree(checkpoint.folder / "spark/offsets")
    write(checkpoint, "spark/sources/0/0", content)
    with pytest.raises(CheckpointRefused, match=r"spark/sources/0/0 can't be read.*make rebuild"):
        checkpoint.check("aggregate", Progress(identity, -1, OFFSETS))
    plan(checkpoint, 0, OFFSETS)
    write(checkpoint, "spark/sources/0/0", content)
    checkpoint.check("aggregate", Progress(identity, 0, OFFSETS))


HARMLESS = {
    "spark/offsets/1": None,
    "spark/offsets/0": b"",
    "spark/offsets/.4.0b3f4e6a.tmp": b"",
    "spark/offsets/.3.crc": b"crc",
    "spark/commits/1": b"",
    "spark/commits/2": b"v1",
    "spark/commits/.3.0b3f4e6a.tmp": b"",
    "spark/.metadata.crc": b"",
    "spark/sources/0/0": b"",
}


@pytest.mark.parametrize(("name", "content"), HARMLESS.items(), ids=HARMLESS)
def test_what_spark_does_not_read_may_be_damaged(checkpoint: Checkpoint, name: str, content: bytes | None) -> None:
    identity = checkpoint.create()
    for batch_id in range(4):
        plan(checkpoint, batch_id, OFFSETS, commit=batch_id < 3)
    write(checkpoint, name, content)
    checkpoint.check("aggregate", Progress(identity, 3, OFFSETS))


def test_what_spark_makes_anew_may_be_gone(checkpoint: Checkpoint) -> None:
    identity = checkpoint.create()
    checkpoint.check("aggregate", Progress(identity, -1, OFFSETS))
    plan(checkpoint, 0, OFFSETS, commit=False)
    write(checkpoint, "spark/sources/0/0", None)
    checkpoint.check("aggregate", Progress(identity, -1, OFFSETS))


def test_without_a_log_of_commits_the_store_must_have_all_but_the_last_planned(checkpoint: Checkpoint) -> None:
    identity = checkpoint.create()
    for batch_id in range(4):
        plan(checkpoint, batch_id, OFFSETS, commit=False)
    checkpoint.check("aggregate", Progress(identity, 2, OFFSETS))
    with pytest.raises(CheckpointRefused, match=r"older copy.*make rebuild"):
        checkpoint.check("aggregate", Progress(identity, 1, OFFSETS))


def test_records_that_kafka_has_deleted_unread_are_refused() -> None:
    reached = {0: 5, 1: 7}
    Kept({0: 0, 1: 7, 2: 0}, {0: 5, 1: 9, 2: 0}).check("archive", reached)
    kept = Kept({0: 5, 1: 9, 2: 3}, {0: 5, 1: 9, 2: 4})
    gone = (
        r"5 records \(partition 1, offsets 7 to 8; partition 2, offsets 0 to 2\).*make rebuild.*KAFKA_RETENTION_HOURS"
    )
    with pytest.raises(CheckpointRefused, match=gone):
        kept.check("archive", reached)
    assert kept.start(reached) == {0: 5, 1: 9, 2: 3}


@pytest.mark.parametrize("end", [{0: 5, 1: 6}, {0: 5}, {0: 4, 1: 99}])
def test_a_topic_that_begins_anew_is_refused_and_read_from_its_beginning(end: dict[int, int]) -> None:
    kept = Kept({partition: partition for partition in end}, end)
    with pytest.raises(CheckpointRefused, match=r"made anew.*make rebuild"):
        kept.check("archive", {0: 5, 1: 7})
    assert kept.start({0: 5, 1: 7}) == kept.first
    assert kept.gone({0: 5, 1: 7}) == ({1: range(1)} if 1 in end else {})


def test_records_between_offsets() -> None:
    assert records_between({0: 1, 1: 2}, {0: 4, 1: 2, 2: 5}) == 8
    assert from_json(to_json(OFFSETS)) == OFFSETS
