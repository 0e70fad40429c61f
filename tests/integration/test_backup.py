"""What was lost comes back from a backup, exactly: up to now where Kafka is there, else as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.backup import backup, file_of, restore
from local.native.stack import FOLDERS, Stack
from local.runtime import SERVERS
from local.steps import StepError
from producer.ledger import Ledger
from tests.integration.pipeline import assert_exact, minutes_ago, shop, spark_jobs

pytestmark = [pytest.mark.integration, pytest.mark.long]

RUNNING = (*SERVERS, "spark")
SEED = 20_260_401


@pytest.fixture(scope="module")
def running(native: Stack) -> Iterator[Stack]:
    native.start("spark")
    yield native
    native.stop("spark")


@pytest.fixture(scope="module")
def kept(running: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup; then more came, and counted."""
    send(running, SEED)
    assert_exact(running)
    folder = backup(running, tmp_path_factory.mktemp("backups") / "first")
    assert {row.name for row in running.status() if row.state == "RUNNING"} == {*RUNNING}
    send(running, SEED + 1)
    assert_exact(running)
    return folder


def send(stack: Stack, seed: int) -> None:
    sending = shop(stack.settings, seed, minutes_ago(10), 10, 3000, duplicates=0.05, malformed=0.02)
    assert sending.wait() == 0


def acknowledged(stack: Stack) -> int:
    return Ledger.read(stack.settings.ledger_path).acknowledged


def lose(stack: Stack, *places: str) -> None:
    stack.down()
    for place in places:
        shutil.rmtree(stack.settings.path(place))


def test_nobody_else_can_read_it(kept: Path) -> None:
    assert kept.stat().st_mode & 0o077 == 0
    assert {file.stat().st_mode & 0o177 for file in kept.glob("*.gz")} == {0}


def test_lost_stores_come_back_and_catch_up(running: Stack, kept: Path) -> None:
    before = acknowledged(running)
    lose(running, "data/mysql", "data/cassandra", "checkpoints")
    restore(running, kept, RUNNING)
    assert acknowledged(running) == before
    assert assert_exact(running).acknowledged == before


def test_one_store_of_another_time_is_refused(running: Stack, kept: Path) -> None:
    running.down()
    place = running.settings.path("data", "mysql")
    newer = place.rename(place.with_name("newer"))
    running.unpack("mysql", kept / file_of("mysql"))
    running.up(SERVERS)
    refused = spark_jobs(running.settings)
    assert refused.returncode == 78
    assert "make rebuild" in refused.stdout
    running.down()
    shutil.rmtree(place)
    newer.rename(place)
    running.up(RUNNING)
    assert_exact(running)


def test_the_backup_of_another_stack_is_refused(running: Stack, kept: Path, tmp_path: Path) -> None:
    other = shutil.copytree(kept, tmp_path / "other")
    (other / "kafka_id").write_text("another")
    with pytest.raises(StepError, match="another Kafka"):
        restore(running, other)
    (other / file_of("mysql")).unlink()
    with pytest.raises(StepError, match=r"is no backup: mysql\.tar\.gz is missing"):
        restore(running, other)
    assert running.state("spark") == "RUNNING"


def test_a_lost_stack_comes_back_as_it_was(running: Stack, kept: Path) -> None:
    before = acknowledged(running)
    lose(running, *(folder for folder in FOLDERS if running.settings.path(folder).exists()))
    restore(running, kept, RUNNING)
    assert not [folder for folder in FOLDERS if running.settings.path(folder).stat().st_mode & 0o077]
    assert assert_exact(running).acknowledged < before
    send(running, SEED + 2)
    assert_exact(running)
