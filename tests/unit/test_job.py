"""The job: which errors of a query are refusals, and when the job ends."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from settings import Settings
from spark_jobs.checkpoint import CheckpointRefused
from spark_jobs.heartbeat import heartbeat
from spark_jobs.job import Refused, only_one, refusal, watch

FAIL = "org.apache.spark...: Traceback\nspark_jobs.judge.ContractViolation: partition 1, offset 7: the rule\n\tat org"


class Query:
    """What `watch` sees of a StreamingQuery."""

    def __init__(self, error: Exception | None = None, active: bool = False) -> None:
        self.isActive, self._error = active, error

    def exception(self) -> Exception | None:
        return self._error


class Looks(threading.Event):
    """Says that the job is to stop once it has looked so many times, and lets no time pass."""

    def __init__(self, left: int) -> None:
        super().__init__()
        self.left = left

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 - nobody waits
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FAIL, "partition 1, offset 7: the rule"),
        ("py4j... spark_jobs.checkpoint.CheckpointRefused: not yours", "not yours"),
        ("java.lang.OutOfMemoryError: Java heap space", None),
    ],
)
def test_refusals_are_told_from_other_errors(text: str, expected: str | None) -> None:
    assert refusal(RuntimeError(text)) == expected


@pytest.fixture
def shop(tmp_path) -> Settings:
    """Settings of a domain whose heart may beat."""
    settings = Settings(state_dir=str(tmp_path))
    heartbeat(settings).parent.mkdir()
    return settings


def test_the_job_ends_refused_when_every_query_is(shop) -> None:
    queries = {"archive": Query(RuntimeError(FAIL)), "aggregate": Query(RuntimeError(FAIL))}
    with pytest.raises(Refused, match="offset 7"):
        watch({shop: queries}, threading.Event())


def test_a_refused_query_stops_alone(shop, caplog) -> None:
    queries = {"archive": Query(active=True), "aggregate": Query(RuntimeError(FAIL))}
    other = replace(shop, domains=("other",))
    watch({shop: queries, other: {"archive": Query(active=True)}}, Looks(3))
    assert [record.getMessage() for record in caplog.records] == [
        "ecommerce.aggregate is stopped: partition 1, offset 7: the rule"
    ]
    assert not heartbeat(shop).exists()
    assert heartbeat(other).exists()


def test_the_heart_beats_while_both_run(shop) -> None:
    queries = {"archive": Query(active=True), "aggregate": Query(active=True)}
    watch({shop: queries}, Looks(0))
    assert not heartbeat(shop).exists()
    watch({shop: queries}, Looks(1))
    assert heartbeat(shop).exists()


def test_any_other_error_ends_the_job(shop) -> None:
    queries = {"archive": Query(RuntimeError("Java heap")), "aggregate": Query(active=True)}
    with pytest.raises(RuntimeError, match="Java heap"):
        watch({shop: queries}, threading.Event())


def test_only_one_job_has_the_checkpoints(tmp_path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    with only_one(settings), pytest.raises(CheckpointRefused, match="stop it first"), only_one(settings):
        pass
    with only_one(settings):
        pass
