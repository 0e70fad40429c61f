"""Not one event or cent is off, whatever happens to the containers."""

from __future__ import annotations

import re
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from local.compose.stack import ComposeStack
from tests import waiting
from tests.compose.commands import make, verified
from tests.compose.inspection import inside, running

pytestmark = pytest.mark.compose

wait_for = partial(waiting.wait_for, look_every_s=0.5)


def newest_event(stack: ComposeStack) -> str:
    """When the newest event occurred that the dashboard knows of: what Superset's own check of its chart prints."""
    return inside(stack, "superset", "python superset/healthy.py").stdout


def test_exact_from_the_start(containers: ComposeStack) -> None:
    verified(containers)


@pytest.mark.long
def test_the_dashboard_moves(containers: ComposeStack) -> None:
    before = newest_event(containers)
    assert before
    wait_for("the dashboard shows a newer event", lambda: newest_event(containers) > before)


@pytest.mark.long
def test_the_producer_hears_of_an_incident(containers: ComposeStack) -> None:
    make(containers, "incident")
    wait_for("the producer knows of the incident", lambda: "payments from US fail" in containers.log_tail("producer"))
    make(containers, "incident", "ARGS=--stop")
    verified(containers)


def test_exact_although_spark_is_killed(containers: ComposeStack) -> None:
    before = verified(containers)
    containers.kill("spark")
    wait_for("the engine has started Spark again", lambda: running(containers)["spark"]["RestartCount"] == 1)
    wait_for("Spark works again", lambda: running(containers)["spark"]["State"]["Health"]["Status"] == "healthy")
    assert verified(containers) > before


@pytest.mark.long
def test_a_second_up_changes_nothing(containers: ComposeStack) -> None:
    def started() -> dict[str, str]:
        return {name: container["State"]["StartedAt"] for name, container in running(containers).items()}

    before = started()
    make(containers, "up")
    assert started() == before


@pytest.mark.long
def test_down_and_up_keeps_the_data_and_goes_on_exactly(containers: ComposeStack) -> None:
    before = verified(containers)
    make(containers, "down")
    assert containers.containers() == []
    shown = make(containers, "up")
    assert f"http://127.0.0.1:{containers.settings.superset_port}/superset/dashboard/sales-live/" in shown
    assert verified(containers) > before


@pytest.mark.long
def test_lost_stores_come_back_from_a_backup_and_catch_up(containers: ComposeStack, tmp_path: Path) -> None:
    make(containers, "backup", f"TO={tmp_path / 'kept'}")
    before = verified(containers)
    containers.down()
    empty = empty_archive(tmp_path)
    for part in ("mysql", "cassandra", "checkpoints"):
        containers.unpack(part, empty)
    make(containers, "restore", f"FROM={tmp_path / 'kept'}")
    assert verified(containers) > before


def empty_archive(folder: Path) -> Path:
    with tarfile.open(folder / "empty.tar.gz", "w:gz") as archive:
        return Path(str(archive.name))


@pytest.mark.long
def test_a_replay_leaves_what_is_still_bad(containers: ComposeStack) -> None:
    assert "replayed: 0 events, 0 duplicates" in make(containers, "replay")
    verified(containers)


def test_the_front_door_shows_what_runs(containers: ComposeStack) -> None:
    shown = make(containers, "status")
    for service in running(containers):
        assert re.search(rf"^{service} +running +[1-9]\d* MB", shown, re.MULTILINE), shown
    assert re.search(r"latency p95 +\d", shown)


@pytest.mark.long
def test_the_same_job_on_a_spark_cluster_is_exact(containers: ComposeStack) -> None:
    before = verified(containers)
    cluster = ComposeStack(replace(containers.settings, spark_master="spark://spark-master:7077"))
    cluster.up()
    assert verified(cluster) > before
    cluster.scale("spark-worker", 2)
    workers = [container for container in cluster.containers() if container["Service"] == "spark-worker"]
    assert len(workers) == 2
    before = verified(cluster)
    wait_for("the pipeline goes on", lambda: verified(cluster) > before)
