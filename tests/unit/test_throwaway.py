"""Stacks for one run, started by many processes at a time: none takes another's for abandoned."""

from __future__ import annotations

import fcntl
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local import throwaway
from settings import Settings

RUNNERS = 8
STARTS = 20  # of each runner


class Folder:
    """A stack that is nothing but its folder."""

    def __init__(self, settings: Settings, runtime: str = "") -> None:
        self.path = Path(settings.state_dir)
        self.runtime = runtime

    def up(self, _services: object) -> None: ...

    def destroy(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(throwaway, "FOLDER", tmp_path)
    monkeypatch.setattr(throwaway, "_stack", Folder)
    return tmp_path


def test_stacks_that_start_and_end_together_leave_each_other_alone(folder: Path) -> None:
    def runner(_: int) -> int:
        kept = 0
        for _ in range(STARTS):
            with throwaway.throwaway_stack() as stack:
                kept += stack.path.exists()
        return kept

    with ThreadPoolExecutor(RUNNERS) as runners:
        assert list(runners.map(runner, range(RUNNERS))) == [STARTS] * RUNNERS
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_what_a_killed_run_left_is_cleared_away(folder: Path) -> None:
    (folder / "killed").mkdir()
    (folder / "killed.lock").write_text("native")
    (folder / "running").mkdir()
    with (folder / "running.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with throwaway.throwaway_stack():
            assert not (folder / "killed").exists()
            assert (folder / "running").exists()
    assert {path.name for path in folder.iterdir()} == {"lock", "running", "running.lock"}
