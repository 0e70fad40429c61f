"""Faults of Spark: killed at random and at chosen points, standing still, with a wrong clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from chaos.fault import fault
from chaos.scene import NotStruck, Scene, Watch
from local.native.preflight import faketime
from spark_jobs import aggregate, archive
from spark_jobs.checkpoint import Checkpoint
from stores import cassandra, mysql
from stores.kafka import end_offsets

STARTED = ("spark", r"archive and aggregate run over")
GOES_ON = "it is started again and goes on where the stores are"
ATTEMPTS = 20


@fault(happens="Spark is killed at a random moment", outcome=GOES_ON, reported=STARTED)
def spark_killed(scene: Scene) -> None:
    scene.hold(0, 3)
    scene.stack.kill("spark")


@fault(happens="Spark's driver in Python is killed", outcome=f"its JVM ends with it; {GOES_ON}", reported=STARTED)
def spark_driver_killed(scene: Scene) -> None:
    scene.hold(0, 3)
    scene.stack.processes("spark")[0].kill()


@fault(happens="Spark's JVM is killed", outcome=f"the driver ends with it; {GOES_ON}", reported=STARTED)
def spark_jvm_killed(scene: Scene) -> None:
    scene.hold(0, 3)
    scene.jvm("spark").kill()


@fault(
    happens="the Python workers of Spark are killed",
    outcome=f"where one had work, its query fails and says so; {GOES_ON}",
    reported=("spark", r"archive and aggregate run over|Python worker"),
)
def spark_workers_killed(scene: Scene) -> None:
    # A worker between two micro-batches is simply replaced: kill until one had work, and the job was started anew.
    driver = scene.stack.processes("spark")[0]
    deadline = time.monotonic() + 30
    while driver.is_running() and time.monotonic() < deadline:
        for worker in scene.stack.processes("spark")[1:]:
            with suppress(psutil.NoSuchProcess):
                if worker.name().startswith("python") and scene.moments.random() < 0.5:
                    worker.kill()
        scene.hold(0.05, 0.3)


@fault(
    happens="Spark stands still for 20 s, as in a long collection of garbage or a paused machine",
    outcome="it goes on; connections that the servers gave up are made anew",
    reported=("spark", r""),
)
def spark_frozen(scene: Scene) -> None:
    with scene.frozen("spark"):
        scene.hold(20, 20)


def kill_when(scene: Scene, what: str, is_so: Callable[[], bool], is_struck: Callable[[], bool]) -> None:
    """Kills Spark as soon as something is so; once more, at another moment, until it was killed there indeed."""
    for _ in range(ATTEMPTS):
        scene.wait_for(what, is_so, every_s=0)
        scene.stack.kill("spark")
        if is_struck():
            return
        scene.stack.wait_ready("spark")
    raise NotStruck(f"{what}: missed {ATTEMPTS} times")


@fault(
    happens="Spark is killed after the commit to MySQL, before its own",
    outcome="the micro-batch is run again, and skipped: MySQL has noted that it was merged",
    reported=("spark", r"merged before, skipped"),
)
def spark_killed_after_mysql_commit(scene: Scene) -> None:
    checkpoint = aggregate.checkpoint(scene.settings)
    with mysql.connected(scene.settings, "reader", scene.settings.domain) as connection:

        def is_ahead() -> bool:
            [(merged,)] = mysql.query(connection, "SELECT batch_id FROM checkpoints WHERE query = 'aggregate'")
            return merged > checkpoint.committed_batch()

        kill_when(scene, "MySQL is ahead of Spark", is_ahead, is_ahead)


@fault(
    happens="Spark is killed in the middle of a write to Cassandra",
    outcome="the micro-batch is written again; rows are keyed by the event alone, so each stays one row",
    reported=STARTED,
)
def spark_killed_writing_cassandra(scene: Scene) -> None:
    checkpoint = archive.checkpoint(scene.settings)
    with cassandra.connected(scene.settings, "reader", scene.settings.domain) as session:

        def noted() -> int:
            return session.execute("SELECT batch_id FROM checkpoints WHERE query = 'archive'").one().batch_id

        def is_writing() -> bool:
            begun = checkpoint.planned_batch() > checkpoint.committed_batch()
            if begun:
                scene.hold(0.05, 0.5)  # into the write
            return begun

        kill_when(scene, "the archive is at work", is_writing, lambda: checkpoint.planned_batch() > noted())


def killed_while_written(scene: Scene, folder: Path) -> None:
    """Kills Spark when an entry of one of its logs shows up, whole or in part."""

    def entries() -> set[str]:
        return {entry.name for entry in os.scandir(folder)}

    before = entries()
    scene.wait_for(f"an entry in {folder.name}", lambda: entries() - before, every_s=0)
    scene.stack.kill("spark")


def either(scene: Scene) -> Checkpoint:
    return scene.moments.choice((aggregate.checkpoint, archive.checkpoint))(scene.settings)


@fault(
    happens="Spark is killed while it plans a micro-batch in its log of offsets",
    outcome="an entry that is whole is run, one that is not is planned anew",
    reported=STARTED,
)
def spark_killed_planning(scene: Scene) -> None:
    killed_while_written(scene, Path(either(scene).spark_folder) / "offsets")


@fault(
    happens="Spark is killed while it commits a micro-batch in its log",
    outcome="the micro-batch is run again where the entry is missing: skipped in MySQL, written again in Cassandra",
    reported=STARTED,
)
def spark_killed_committing(scene: Scene) -> None:
    killed_while_written(scene, Path(either(scene).spark_folder) / "commits")


@fault(
    happens="no file of Spark's can grow any more: the checkpoint's disk is full",
    outcome="the query fails and says so; the job is started again and again until there is room, and goes on",
    to_do="free some space",
    reported=("spark", r"File too large|No space left"),
)
def checkpoint_disk_full(scene: Scene) -> None:
    jvm, size = scene.jvm("spark"), scene.log_size("spark")
    with scene.files_limited(jvm, 0):
        scene.wait_for("a query fails", lambda: scene.has_logged("spark", size, r"File too large|No space left"))
    scene.wait_for("the job is started anew", lambda: not jvm.is_running())


def clock_moved(scene: Scene, by: str) -> None:
    if (library := faketime()) is None:
        raise NotStruck("libfaketime is missing: make preflight ARGS=--for-chaos")
    scene.restart_with("spark", {"LD_PRELOAD": str(library), "FAKETIME": by, "NO_FAKE_STAT": "1"})
    ends = end_offsets(scene.settings)
    with Watch(scene.settings) as watch:
        scene.wait_for("Spark works with the wrong clock", lambda: watch.behind(ends) is None, every_s=0.3)
    scene.hold(5, 10)
    scene.stack.start("spark")  # anew, since its environment has changed


@fault(
    happens="Spark's clock is an hour ahead, and is put right",
    outcome="lateness goes by the broker's clock, and ids are kept by the slower of both: nothing changes",
    reported=STARTED,
)
def spark_clock_ahead(scene: Scene) -> None:
    clock_moved(scene, "+1h")


@fault(
    happens="Spark's clock is an hour behind, and is put right",
    outcome="nothing changes; latencies of those minutes are wrong",
    reported=STARTED,
)
def spark_clock_behind(scene: Scene) -> None:
    clock_moved(scene, "-1h")
