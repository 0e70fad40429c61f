"""Backups: nothing runs while data is copied, and a Kafka that is there is never put back to an older one."""

from __future__ import annotations

from pathlib import Path

import pytest

import settings
from local.backup import SOURCE, STORES, backup, file_of, restore
from local.runtime import ServiceStatus, cluster_id
from local.steps import StepError
from settings import Settings


class FakeStack:
    """Notes what is done; `broken` is a part that can't be copied."""

    def __init__(self, running: tuple[str, ...] = (), kafka: str | None = "ours", broken: str = "") -> None:
        self.settings = Settings()
        self.running, self.kafka, self.broken = running, kafka, broken
        self.done: list[str] = []

    def status(self) -> list[ServiceStatus]:
        others = [ServiceStatus("superset", "STOPPED", 0, ""), ServiceStatus("spark-worker", "RUNNING", 0, "")]
        return [*(ServiceStatus(name, "STARTING", 0, "") for name in self.running), *others]

    def down(self) -> None:
        self.done.append("down")

    def up(self, names: list[str]) -> None:
        self.done.append(f"up {' '.join(names)}")

    def kafka_id(self) -> str | None:
        return self.kafka

    def pack(self, part: str, file: Path) -> None:
        if part == self.broken:
            raise StepError("no space left")
        file.touch()
        self.done.append(part)

    def unpack(self, part: str, file: Path) -> None:
        assert file.exists()
        self.done.append(part)


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state folder is the test's own."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return backup(FakeStack(("kafka",)), tmp_path / "kept")


def test_everything_is_copied_while_nothing_runs(tmp_path: Path) -> None:
    stack = FakeStack(("kafka", "spark"))
    folder = backup(stack, tmp_path / "kept")
    assert stack.done == ["down", *STORES, *SOURCE, "up kafka spark"]
    assert {path.name for path in folder.iterdir()} == {"kafka_id", "domains", *map(file_of, (*STORES, *SOURCE))}


def test_what_is_not_whole_is_no_backup(tmp_path: Path) -> None:
    stack = FakeStack(("kafka",), broken="cassandra")
    with pytest.raises(StepError, match="no space left"):
        backup(stack, tmp_path / "kept")
    assert stack.done[-1] == "up kafka"
    assert not (tmp_path / "kept").exists()
    assert backup(FakeStack(), tmp_path / "kept").exists(), "what was left lying is in nobody's way"


def test_a_backup_is_never_overwritten(kept: Path) -> None:
    with pytest.raises(StepError, match="is there already"):
        backup(FakeStack(), kept)


def test_a_kafka_that_is_there_stays(kept: Path) -> None:
    stack = FakeStack(("kafka", "spark"))
    restore(stack, kept)
    assert stack.done == ["down", *STORES, "up kafka spark"]


def test_a_lost_kafka_comes_back_last(kept: Path) -> None:
    stack = FakeStack(kafka=None)
    restore(stack, kept, ("kafka", "spark"))
    assert stack.done == ["down", *STORES, "ledger", "kafka", "up kafka spark"]


def test_another_kafka_is_refused_before_anything_is_changed(kept: Path) -> None:
    stack = FakeStack(("kafka",), kafka="another")
    with pytest.raises(StepError, match="another Kafka"):
        restore(stack, kept)
    assert stack.done == []


def test_the_id_of_kafka() -> None:
    assert cluster_id("#\nversion=1\ncluster.id=5L6g3nShT-eMCtK--X86sw\nnode.id=1\n") == "5L6g3nShT-eMCtK--X86sw"
    assert cluster_id("") is None
