"""When the Spark job counts as working, from its files alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from settings import Settings
from spark_jobs.heartbeat import FRESH_SECONDS, LONGEST_BATCH_SECONDS, heartbeat, missing


def touch(path: Path, age_seconds: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - age_seconds
    os.utime(path, (then, then))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a job that works: both queries have committed what they planned, long ago."""
    settings = Settings(state_dir=str(tmp_path))
    touch(heartbeat(settings))
    for query in ("aggregate", "archive"):
        spark = settings.checkpoints_dir / settings.domain / query / "spark"
        for log in ("offsets", "commits"):
            touch(spark / log / "9", age_seconds=1000)
            touch(spark / log / "10", age_seconds=1000)
    return settings


def log(settings: Settings, name: str) -> Path:
    return settings.checkpoints_dir / settings.domain / "archive" / "spark" / name


def test_a_job_that_has_nothing_to_do_works(settings: Settings) -> None:
    assert missing(settings) is None


def test_without_a_heartbeat_it_does_not_work(settings: Settings) -> None:
    touch(heartbeat(settings), age_seconds=FRESH_SECONDS + 5)
    assert "do not run" in missing(settings)
    heartbeat(settings).unlink()
    assert "do not run" in missing(settings)


def test_a_micro_batch_may_take_its_time_but_not_for_ever(settings: Settings) -> None:
    touch(log(settings, "offsets") / "11", age_seconds=LONGEST_BATCH_SECONDS - 5)
    assert missing(settings) is None
    touch(log(settings, "offsets") / "11", age_seconds=LONGEST_BATCH_SECONDS + 5)
    assert "archive began micro-batch 11" in missing(settings)


def test_before_the_first_commit_it_has_not_proved_anything(settings: Settings) -> None:
    for entry in log(settings, "commits").iterdir():
        entry.unlink()
    touch(log(settings, "offsets") / "10")
    assert "nothing yet" in missing(settings)
