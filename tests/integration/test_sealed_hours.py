"""Verify proves an hour once when nothing can change it any more, remembers it, and knows what has expired since."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import contracts
from audit.verify import Verdict, verify
from local.choice import preferred
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from producer.ledger import Ledger
from settings import load
from spark_jobs import replay
from stores import cassandra, mysql, progress, proven_hours
from stores.dead_letter import letters
from stores.hour import HOUR, hour_of
from stores.time_to_live import BEGINNING
from tests.integration.pipeline import CATCH_UP_S, FAULTS, assert_exact, minutes_ago, shop, spark_jobs

pytestmark = pytest.mark.integration

SEED, EVENTS, MINUTES = 20_260_619, 3000, 10
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Sealed:
    """A shop that is closed, at a time when all its hours are sealed."""

    stack: Stack
    opened: datetime
    now: datetime

    def verify(self, everything: bool = False, later: timedelta = timedelta(0)) -> Verdict:
        return verify(self.stack.settings, CATCH_UP_S, everything, self.now + later)

    def cassandra(self, statement: str, *values: Any) -> list[Any]:
        """Executes a statement as one who may do everything."""
        with cassandra.connected(self.stack.settings, "admin", self.stack.settings.domain) as session:
            return list(session.execute(statement, values))

    def remembered(self) -> set[datetime]:
        return {row.hour.replace(tzinfo=UTC) for row in self.cassandra("SELECT hour FROM proven_hours")}


def closed_shop(stack: Stack) -> Sealed:
    opened = minutes_ago(MINUTES)
    assert shop(stack.settings, SEED, opened, MINUTES, EVENTS, **FAULTS).wait() == 0
    assert_exact(stack)
    return Sealed(stack, opened, datetime.now(UTC) + contracts.load(stack.settings.domain).max_late + 2 * HOUR)


@pytest.fixture(scope="module")
def sealed(pipeline: Stack) -> Iterator[Sealed]:
    sealed = closed_shop(pipeline)
    yield sealed
    sealed.cassandra("TRUNCATE proven_hours")  # for in truth the hours go on


def test_sealed_hours_are_proven_once(sealed: Sealed) -> None:
    first = sealed.verify()
    assert first.exact, first.differences
    assert {hour_of(sealed.opened), hour_of(sealed.opened + timedelta(minutes=MINUTES - 1))} <= sealed.remembered()
    with cassandra.connected(sealed.stack.settings, "reader", sealed.stack.settings.domain) as session:
        proven = proven_hours.read(session).values()
    assert sum(hour.events for hour in proven) == first.archived
    assert sum(hour.open_letters for hour in proven) == first.rejected
    assert sealed.verify() == sealed.verify(everything=True) == first


def test_the_producer_goes_on_while_sealed_hours_are_proven(sealed: Sealed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of them after a month: it is held for the rest alone."""
    proven_before = []

    @contextmanager
    def held(path: Path) -> Iterator[None]:
        proven_before.append(sealed.remembered())
        with hold(path):
            yield

    hold = Ledger.held
    sealed.verify()
    every = sealed.remembered()
    monkeypatch.setattr(Ledger, "held", held)
    for everything in (False, True):
        sealed.cassandra("TRUNCATE proven_hours")
        assert sealed.verify(everything).exact
    assert every
    assert proven_before == [every, every]


def test_what_changes_nevertheless_is_found_when_everything_is_looked_at(sealed: Sealed) -> None:
    before = sealed.verify()
    minute = {"minute": sealed.opened, "shard": 3}
    events, passed_over = (
        sealed.cassandra(f"SELECT * FROM {table} WHERE minute = %s AND shard = %s", *minute.values())
        for table in ("events", "passed_over")
    )
    counts_not = {row.event_id for row in passed_over}
    row = next(row for row in events if row.event_id not in counts_not)
    key = (row.session_id, row.occurred_at, row.event_id)
    where = "WHERE minute = %s AND shard = %s AND session_id = %s AND occurred_at = %s AND event_id = %s"
    sealed.cassandra(f"DELETE FROM events {where}", *minute.values(), *key)
    try:
        assert sealed.verify() == before
        found = sealed.verify(everything=True)
        assert len(found.differences) == 1
        assert found.differences[0].startswith(f"events in Cassandra: {sealed.opened} has ")
        assert hour_of(sealed.opened) not in sealed.remembered()
        assert sealed.verify() == found
    finally:
        sealed.cassandra(f"UPDATE events SET payloads = %s {where}", row.payloads, *minute.values(), *key)
    assert sealed.verify() == before
    assert hour_of(sealed.opened) in sealed.remembered()


def test_what_has_expired_since_it_was_proven_is_not_missed(sealed: Sealed, caplog: pytest.LogCaptureFixture) -> None:
    before = sealed.verify()
    lives = sealed.cassandra("SELECT since, days FROM times_to_live")
    sealed.cassandra("INSERT INTO times_to_live (since, days) VALUES (%s, 1)", BEGINNING)
    try:
        assert sealed.verify(later=DAY) == before
        assert sealed.verify(everything=True, later=DAY) == before
        assert "expired" not in caplog.text
        sealed.cassandra("DELETE FROM proven_hours WHERE hour = %s", hour_of(sealed.opened))
        with caplog.at_level(logging.WARNING):
            less = sealed.verify(later=DAY)
        assert "1 hours expired before they were ever compared" in caplog.text
        assert less.exact, less.differences
        assert less.archived < before.archived
    finally:
        for life in lives:
            sealed.cassandra("INSERT INTO times_to_live (since, days) VALUES (%s, %s)", life.since, life.days)


def test_dead_letters_are_read_from_a_time_on(sealed: Sealed) -> None:
    settings = sealed.stack.settings
    since_opened = list(letters(settings, sealed.opened))
    assert since_opened
    assert since_opened == [letter for letter in letters(settings) if letter in since_opened]
    assert list(letters(settings, sealed.now)) == []


@pytest.mark.long
def test_a_rebuild_counts_what_has_expired_by_what_was_proven() -> None:
    with throwaway_stack(runtime=preferred(load())) as stack:
        stack.start("spark")
        sealed, settings = closed_shop(stack), stack.settings
        assert sealed.verify().exact
        stack.stop("spark")

        def counted() -> tuple[int | None, int, int | None]:
            with mysql.connected(settings, "reader", settings.domain) as connection:
                reached = progress.aggregated(connection)
            return reached.aggregated, reached.rejected, reached.duplicates

        before = counted()
        sealed.cassandra("INSERT INTO times_to_live (since, days) VALUES (%s, 0)", BEGINNING)
        for table in ("events", "events_by_order", "passed_over"):
            sealed.cassandra(f"TRUNCATE {table}")
        rebuilt = spark_jobs(settings, "rebuild")
        assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
        assert counted() == before
        replay.check(settings)
