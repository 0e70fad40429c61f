"""Several domains on one stack: what is asked of each, and what a fault of one leaves alone."""

from __future__ import annotations

import os
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from audit import __main__ as audit
from contracts import ContractError
from local.__main__ import dashboards
from producer import __main__ as producer
from producer.healthy import FRESH_S, is_written
from producer.ledger import LedgerBusyError, LedgerError
from settings import Settings
from tests.dashboards import assets
from tests.waiting import wait_for

NOW = 1_773_500_000.0  # seconds since the epoch


@pytest.fixture
def both(tmp_path: Path) -> Settings:
    return Settings(state_dir=str(tmp_path), domains=("ecommerce", "other"))


def test_what_is_printed_as_dashboards_is_what_there_is(both: Settings) -> None:
    there = {slug for files in assets.of_each(both.domains) for slug in files.dashboards}
    assert set(dashboards(both)) == there
    assert {"pipeline-health", "pipeline-health-other"} <= there


def test_a_dashboard_that_every_domain_has_is_told_apart() -> None:
    shop, other = assets.of_each(("ecommerce", "other"))
    assert shop.dashboards == assets.read("ecommerce").dashboards
    [board] = other.dashboards.values()
    assert board["title"] == f"{shop.dashboards['pipeline-health']['title']}: other"
    assert assets.contents(other).keys().isdisjoint({f"dashboards/{slug}.yaml" for slug in shop.dashboards})


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Domain -> the exit code that the audit has of it, or the error that it raises."""
    given: dict[str, object] = {}

    def answer(_options: Namespace, settings: Settings) -> int:
        found = given[settings.domain]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(audit, "run", answer)
    return given


def test_every_domain_is_answered_for(
    both: Settings, answers: dict[str, object], capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    answers |= {"ecommerce": ContractError("broken"), "other": 0}
    assert audit.run_each(audit.parse(both, ["verify"])) == 1
    assert capsys.readouterr().out == "ecommerce\n\nother\n"
    assert caplog.messages == ["broken"]
    assert audit.run_each(audit.parse(both, ["verify", "--domain", "other"])) == 0
    assert capsys.readouterr().out == ""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception | None]:
    """Domain -> the error by which its producer ends at once; without one it goes on until it is stopped."""
    given: dict[str, Exception | None] = {}

    def run(_options: Namespace, settings: Settings, stop: Event) -> None:
        if error := given[settings.domain]:
            raise error
        stop.wait()

    monkeypatch.setattr(producer, "run", run)
    return given


def test_another_s_outage_stops_all_producers(both: Settings, ends: dict[str, Exception | None]) -> None:
    busy = LedgerBusyError("by another")
    ends |= {"ecommerce": None, "other": busy}
    assert producer.run_all(Namespace(), both, Event()) == {"other": busy}


def test_a_refused_domain_leaves_the_other_s_producer_alone(
    both: Settings, ends: dict[str, Exception | None], caplog: pytest.LogCaptureFixture
) -> None:
    foreign, stop = LedgerError("foreign"), Event()
    ends |= {"ecommerce": foreign, "other": None}
    with ThreadPoolExecutor() as pool:
        errors = pool.submit(producer.run_all, Namespace(), both, stop)
        wait_for("the refusal is told", lambda: "ecommerce: foreign" in caplog.messages)
        assert not errors.done()
        stop.set()
    assert errors.result() == {"ecommerce": foreign}


def test_each_ledger_is_written(both: Settings) -> None:
    shop, other = both.each()
    shop.ledger_path.parent.mkdir()
    log = shop.ledger_path.with_name(f"{shop.ledger_path.name}-wal")
    for path, age_seconds in ((shop.ledger_path, 1000), (log, FRESH_S)):
        path.touch()
        os.utime(path, (NOW - age_seconds, NOW - age_seconds))
    assert is_written(shop, NOW)
    assert not is_written(shop, NOW + 1)
    assert not is_written(other, NOW)
    assert not is_written(replace(shop, state_dir="/nowhere"), NOW)
