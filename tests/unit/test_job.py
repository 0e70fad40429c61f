"""The job: which errors of a query are refusals, and when the job ends."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from settings import Settings
from spark_jobs import job
from spark_jobs.checkpoint import CheckpointRefused
from spark_jobs.heartbeat import heartbeat
from spark_jobs.job import Domain, Refused, only_one, refusal, watch

FAIL = (
    "org.apache.spark...: Traceback\nspark_jobs.validation.ContractViolation: partition 1, offset 7: the rule\n\tat org"
)


class Query:
    """What `watch` sees of a StreamingQuery."""

    def __init__(self, error: Exception | None = None, active: bool = False) -> None:
        self.isActive, self._error = active, error

    def exception(self) -> Exception | None:
        return self._error

    def stop(self) -> None:
        self.isActive = False


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
def shop(tmp_path) -> Domain:
    """A domain whose heart may beat; its queries are a test's to say."""
    domain = Domain(Settings(state_dir=str(tmp_path)))
    heartbeat(domain.settings).parent.mkdir()
    return domain


def beats(domain: Domain) -> bool:
    return heartbeat(domain.settings).exists()


def other(shop: Domain, **running: Query) -> Domain:
    return Domain(replace(shop.settings, domains=("other",)), running)


def test_the_job_ends_refused_when_every_query_is(shop) -> None:
    shop.running = {"archive": Query(RuntimeError(FAIL)), "aggregate": Query(RuntimeError(FAIL))}
    with pytest.raises(Refused, match="offset 7"):
        watch([shop], threading.Event(), None)


def test_a_refused_query_stops_alone(shop, caplog) -> None:
    shop.running = {"archive": Query(active=True), "aggregate": Query(RuntimeError(FAIL))}
    beside = other(shop, archive=Query(active=True))
    watch([shop, beside], Looks(3), None)
    assert [record.getMessage() for record in caplog.records] == [
        "ecommerce.aggregate is stopped: partition 1, offset 7: the rule"
    ]
    assert (beats(shop), beats(beside)) == (False, True)


def test_the_heart_beats_while_both_run(shop) -> None:
    shop.running = {"archive": Query(active=True), "aggregate": Query(active=True)}
    watch([shop], Looks(0), None)
    assert not beats(shop)
    watch([shop], Looks(1), None)
    assert beats(shop)


def test_any_other_error_ends_the_job_of_one_domain(shop) -> None:
    shop.running = {"archive": Query(RuntimeError("Java heap")), "aggregate": Query(active=True)}
    with pytest.raises(RuntimeError, match="Java heap"):
        watch([shop], threading.Event(), None)


def test_one_of_several_domains_is_begun_anew_alone(shop, monkeypatch, caplog) -> None:
    begun = []
    monkeypatch.setattr(job, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(Domain, "open", lambda domain: begun.append(domain.settings.domain))
    monkeypatch.setattr(Domain, "start", lambda domain, _: domain.running.update(archive=Query(active=True)))
    shop.archive = shop.aggregate = SimpleNamespace(close=lambda: None)
    failing, beside = Query(RuntimeError("division by zero")), Query(active=True)
    shop.running, shop.pause_s = {"archive": failing, "aggregate": Query(active=True)}, 0.0
    watch([shop, other(shop, archive=beside)], Looks(2), None)
    assert begun == ["ecommerce"]
    assert shop.running.keys() == {"archive"}
    assert "ecommerce has failed, and is begun anew in 0 s: division by zero" in caplog.text
    assert beside.isActive


def test_what_a_domain_that_can_not_be_opened_has_opened_is_closed(shop, monkeypatch) -> None:
    made, closed = [], []

    def unanswered() -> None:
        raise OSError("no answer")

    def of(name: str) -> SimpleNamespace:
        made.append(name)
        return SimpleNamespace(open=unanswered, close=lambda: closed.append(name))

    monkeypatch.setattr(job, "Archive", lambda _: of("archive"))
    monkeypatch.setattr(job, "Aggregate", lambda _: of("aggregate"))
    for _ in range(2):
        with job.a_fault_of(shop, alone=False):
            shop.open()
    assert made == closed == 2 * ["archive", "aggregate"]


def test_only_one_job_has_the_checkpoints(tmp_path) -> None:
    settings = Settings(state_dir=str(tmp_path))
    with only_one(settings), pytest.raises(CheckpointRefused, match="stop it first"), only_one(settings):
        pass
    with only_one(settings):
        pass
