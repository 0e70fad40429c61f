"""Faults after which checkpoint and store no longer belong together: Spark refuses to run until `make rebuild`."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from uuid import uuid4

from chaos.fault import CASSANDRA_RECOVERY_S, fault
from chaos.scene import Scene
from spark_jobs import aggregate, archive
from spark_jobs.checkpoint import IDENTITY, Checkpoint

loss = partial(
    fault, outcome="Spark refuses to run, exit code 78, and says what to do", to_do="`make rebuild`", rebuilds=True
)


def stopped(scene: Scene, of: object) -> Checkpoint:
    """A query's checkpoint, once Spark has ended and does not start again."""
    scene.stack.stop("spark")
    return of.checkpoint(scene.settings)  # type: ignore[attr-defined]


@loss(
    happens="the checkpoint of the aggregates is lost",
    reported=("spark", r"the checkpoint in .* is lost"),
)
def checkpoint_lost(scene: Scene) -> None:
    shutil.rmtree(stopped(scene, aggregate).folder)
    scene.refuse_and_rebuild()


@loss(
    happens="the checkpoint of the archive is lost",
    reported=("spark", r"the checkpoint in .* is lost"),
)
def archive_checkpoint_lost(scene: Scene) -> None:
    shutil.rmtree(stopped(scene, archive).folder)
    scene.refuse_and_rebuild()


@loss(
    happens="the last entry of a checkpoint is truncated",
    reported=("spark", r"can't be read"),
)
def checkpoint_truncated(scene: Scene) -> None:
    checkpoint = stopped(scene, aggregate)
    (Path(checkpoint.spark_folder) / "offsets" / str(checkpoint.planned_batch())).write_bytes(b"v1\n{")
    scene.refuse_and_rebuild()


@loss(
    happens="the checkpoint is another stack's",
    to_do="`make rebuild`, or put the right one back",
    reported=("spark", r"is another stack's"),
)
def checkpoint_of_another_stack(scene: Scene) -> None:
    (stopped(scene, aggregate).folder / IDENTITY).write_text(str(uuid4()))
    scene.refuse_and_rebuild()


def restored(scene: Scene, service: str) -> None:
    """Puts a copy of a store's data of some time ago in its place."""
    data = scene.settings.path("data", service)
    copy = data.with_name(f"{service}.older")
    scene.stack.stop(service)
    shutil.copytree(data, copy)
    scene.stack.start(service)
    scene.wait_for("the queries went on", lambda: scene.stack.state("spark") == "RUNNING")
    scene.hold(15, 20)
    scene.stack.stop("spark", service)
    shutil.rmtree(data)
    copy.rename(data)
    scene.stack.start(service)
    scene.refuse_and_rebuild()


@loss(
    happens="MySQL was restored from an older copy",
    reported=("spark", r"one of them is from an older copy"),
)
def mysql_restored(scene: Scene) -> None:
    restored(scene, "mysql")


@loss(
    happens="Cassandra was restored from an older copy",
    to_do="`make rebuild`, which archives anew what Kafka still has",
    reported=("spark", r"one of them is from an older copy"),
    within_s=CASSANDRA_RECOVERY_S,
)
def cassandra_restored(scene: Scene) -> None:
    restored(scene, "cassandra")
