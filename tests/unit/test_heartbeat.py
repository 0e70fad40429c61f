"""When the Spark job counts as working, from its files alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from settings import Settings
from spark_jobs.heartbeat import FRESH_S, LONGEST_BATCH_S, heartbeat, missing

NOW = 1_773_500_000.0  # seconds since the epoch


def touch(path: Path, age_seconds: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (NOW - age_seconds, NOW - age_seconds))


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
    assert missing(settings, NOW) is None


def test_without_a_heartbeat_it_does_not_work(settings: Settings) -> None:
    touch(heartbeat(settings), age_seconds=FRESH_S + 1)
    assert "do not run" in missing(settings, NOW)
    heartbeat(settings).unlink()
    assert "do not run" in missing(settings, NOW)


def test_a_micro_batch_may_take_its_time_but_not_for_ever(settings: Settings) -> None:
    touch(log(settings, "offsets") / "11", age_seconds=LONGEST_BATCH_S)
    assert missing(settings, NOW) is None
    touch(log(settings, "offsets") / "11", age_seconds=LONGEST_BATCH_S + 1)
    assert "archive of ecommerce began micro-batch 11" in missing(settings, NOW)


def test_before_the_first_commit_it_has_not_proved_anything(settings: Settings) -> None:
    for entry in log(settings, "commits").iterdir():
        entry.unlink()
    touch(log(settings, "offsets") / "10")
    assert "nothing yet" in missing(settings, NOW)
