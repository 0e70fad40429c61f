"""When minutes become hours, which tables do, and what becomes of errors in the thread that does it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from threading import Event

import pytest

import contracts
from settings import DOMAINS, Settings
from spark_jobs import domains, rollup
from stores.retry import Unavailable

NOW = datetime.fromisoformat("2026-03-14T12:34:56.789")
DAY = timedelta(days=1)
AGES = rollup.Ages(NOW, NOW - 3 * DAY, NOW - 400 * DAY)


def test_whole_hours_become_old() -> None:
    ages = rollup.ages(Settings(mysql_retention_days=3, mysql_hours_retention_days=400), NOW)
    moments = "2026-03-14T10:00", "2026-03-11T12:00", "2025-02-07T12:00"
    assert ages == tuple(map(datetime.fromisoformat, moments))


def test_hours_are_not_gone_before_minutes_have_become_hours() -> None:
    ages = rollup.ages(Settings(mysql_retention_days=5, mysql_hours_retention_days=1), NOW)
    assert ages.hours == ages.minutes


@pytest.mark.parametrize(("days", "first"), [(0, "2026-03-11"), (2, "2026-03-11"), (30, "2026-02-12")])
def test_what_becomes_no_hours_stays_for_as_long_as_its_table_says(days: int, first: str) -> None:
    """At least: a longer MYSQL_RETENTION_DAYS holds for every table."""
    kept_from = rollup.kept_from(Settings(mysql_retention_days=3), NOW, days)
    assert kept_from == datetime.fromisoformat(f"{first}T12:00")


@pytest.mark.parametrize("domain", DOMAINS)
def test_nothing_that_may_still_come_belongs_to_an_hour(domain: str) -> None:
    ages = rollup.ages(Settings(mysql_retention_days=1, domains=(domain,)), NOW)
    assert ages.minutes < ages.sealed <= NOW - contracts.load(domain).remembered


@pytest.mark.parametrize("table", domains.tables("ecommerce"), ids=lambda table: table.name)
def test_every_table_of_the_shop_becomes_hours(table: rollup.Table) -> None:
    assert table.hours


@pytest.mark.parametrize(
    "table",
    [pytest.param(table, id=f"{domain}: {table.name}") for domain in DOMAINS for table in rollup.tables(domain)],
)
def test_hours_have_the_columns_of_minutes(table: rollup.Table) -> None:
    for hours in table.hours:
        assert hours.name.endswith("_by_hour")
        assert "minute" not in hours.key
        assert table.of_minutes or not hours.maximum  # a row's part of it could not be taken off
        if table.of_minutes:
            assert {*hours.key, *hours.sum, *hours.maximum, "minute"} == set(table.columns)


class Once:
    """Stands for rollup.once: raises what it is told to, and says when it was called."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.called = [Event() for _ in errors]

    def __call__(self, _: Settings, __: rollup.Ages) -> None:
        number = len(self.called) - len(self.errors)
        self.called[number].set()
        if error := self.errors.pop(0):
            raise error


def test_after_an_outage_it_goes_on(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    once = Once(Unavailable("MySQL is away"), None)
    monkeypatch.setattr(rollup, "once", once)
    background = rollup.Background(Settings())
    with caplog.at_level(logging.WARNING):
        for called in once.called:
            background.ask(AGES)
            assert called.wait(10)
        background.close()
    assert "MySQL is away" in caplog.text


def test_another_error_is_raised_in_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    once = Once(ValueError("no such table"))
    monkeypatch.setattr(rollup, "once", once)
    background = rollup.Background(Settings())
    background.ask(AGES)
    background.close()
    with pytest.raises(ValueError, match="no such table"):
        background.ask(AGES)
