"""No event lost, none counted twice, every cent right: with faults in the input, and with Spark killed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from subprocess import Popen
from typing import Any
from uuid import UUID

import pytest

import contracts
from audit import raw_events
from audit.verify import Verdict
from local.native.stack import Stack
from producer.domains.ecommerce import INCIDENT
from producer.incident import Incident, path_of, save
from producer.ledger import Ledger, LedgerView
from settings import Settings
from stores import cassandra, mysql, progress
from stores.kafka import end_offsets
from tests.integration.pipeline import (
    FAULTS,
    KILLED,
    assert_equals_recomputation,
    assert_exact,
    killed_in_batch,
    minutes_ago,
    shop,
    spark_jobs,
)
from tests.waiting import wait_for

pytestmark = pytest.mark.integration

SEED = 20_260_314
EVENTS_A_KILL = 20_000
MOST_ROUNDS = 4 * len(KILLED)
OPENED_MINUTES_AGO, OPEN_MINUTES = 25, 10
ARCHIVED_EVERY_MS = 30_000
"""Longer than it takes to count a shop."""


@dataclass(frozen=True)
class Survived:
    """Shops that were counted while Spark was killed: what of it in a micro-batch, from when on (UTC, naive, a whole
    minute), and what was found in the end."""

    kills: list[str]
    since: datetime
    verdict: Verdict
    ledger: LedgerView


@pytest.fixture(scope="module")
def survived(pipeline: Stack) -> Survived:
    settings, opened = pipeline.settings, minutes_ago(OPENED_MINUTES_AGO)
    kills: list[str] = []
    for number in range(MOST_ROUNDS):
        sending = shop(settings, SEED + number, opened, OPEN_MINUTES, EVENTS_A_KILL, **FAULTS)
        if killed_in_batch(pipeline, KILLED[len(kills)]):
            kills.append(KILLED[len(kills)])
        assert sending.wait() == 0
        if len(kills) == len(KILLED):
            break
    verdict = assert_exact(pipeline)
    return Survived(kills, opened.replace(tzinfo=None), verdict, Ledger.read(settings.ledger_path))


def test_every_event_counts_once_although_spark_is_killed(survived: Survived) -> None:
    ledger, verdict = survived.ledger, survived.verdict
    assert survived.kills == list(KILLED)
    assert ledger.events >= len(KILLED) * EVENTS_A_KILL
    assert min(ledger.duplicates, ledger.late, ledger.malformed, ledger.by_name["purchase"][0]) > EVENTS_A_KILL / 200
    assert verdict.archived == verdict.aggregated == ledger.events


def test_raw_events_are_read_back(pipeline: Stack, survived: Survived) -> None:
    settings = pipeline.settings
    of_shop = "minute >= %s AND minute < %s"
    range_ = (survived.since, survived.since + timedelta(minutes=OPEN_MINUTES))
    with mysql.connected(settings, "reader", settings.domain) as connection:
        [(minute,)] = mysql.query(
            connection, f"SELECT MAX(minute) FROM events_by_minute WHERE event_name = 'purchase' AND {of_shop}", range_
        )
        [(events,)] = mysql.query(connection, "SELECT SUM(events) FROM events_by_minute WHERE minute = %s", (minute,))
        [(session_id, of_session)] = mysql.query(
            connection, "SELECT session_id, events FROM sessions WHERE orders > 0 ORDER BY events DESC LIMIT 1"
        )
    of_minute = payloads(raw_events.of_minute(settings, minute.replace(tzinfo=UTC)))
    assert len(of_minute) == events
    assert {event["schema_version"] for event in of_minute} == {1, 3}, "both versions of the contract, side by side"
    by_session, by_order = contracts.load(settings.domain).lookups
    session = payloads(raw_events.of(settings, by_session, UUID(bytes=bytes(session_id))))
    assert len(session) == of_session
    order = next(event for event in session if event["event_name"] == "purchase")
    assert order in payloads(raw_events.of(settings, by_order, UUID(order["transaction_id"])))


def payloads(events: Iterable[raw_events.Event]) -> list[dict[str, Any]]:
    """Of those that count."""
    return [json.loads(event.payload) for event in events if not event.passed_over]


def test_exact_while_payments_of_one_country_fail(pipeline: Stack) -> None:
    settings = pipeline.settings
    begun = minutes_ago(100)  # long before all other events
    incident = Incident(INCIDENT, "US", begun + timedelta(minutes=2), begun + timedelta(minutes=8))
    save(path_of(settings), incident)
    assert shop(settings, SEED, begun, OPEN_MINUTES, 24_000).wait() == 0
    path_of(settings).unlink()
    assert_exact(pipeline)
    shares = (
        "SELECT country = %s, SUM(payment_failures) / SUM(payment_failures + orders) FROM sales_by_minute "
        "WHERE minute >= %s AND minute < %s GROUP BY 1"
    )
    since, until = (moment.replace(tzinfo=None) for moment in (incident.since, incident.until))
    with mysql.connected(settings, "reader", settings.domain) as connection:
        share_failed = dict(mysql.query(connection, shares, (incident.choice, since, until)))
    assert share_failed[1] > 0.8
    assert share_failed[0] < 0.3


def counted_first(settings: Settings, sending: Popen) -> bool:
    """Waits until a shop has counted, and says whether it did so before it was archived."""
    assert sending.wait() == 0
    ends = end_offsets(settings)
    with (
        mysql.connected(settings, "reader", settings.domain) as connection,
        cassandra.connected(settings, "reader", settings.domain) as session,
    ):
        wait_for("all has counted", lambda: progress.aggregated(connection).passed(ends))
        return not progress.archived(session).passed(ends)


def test_a_range_is_recomputed_while_the_stream_goes_on(pipeline: Stack, survived: Survived) -> None:
    """Of what has counted, the archive does not have the last events yet when it begins."""
    settings = pipeline.settings
    pipeline.start("spark", settings=replace(settings, spark_archive_trigger_ms=ARCHIVED_EVERY_MS))
    send = partial(
        shop, settings, opened=minutes_ago(OPENED_MINUTES_AGO), minutes=OPEN_MINUTES, events=EVENTS_A_KILL, **FAULTS
    )
    assert any(counted_first(settings, send(seed=SEED + number)) for number in range(MOST_ROUNDS, 2 * MOST_ROUNDS))
    since, until = survived.since, survived.since + timedelta(minutes=OPEN_MINUTES)
    with mysql.connected(settings, "root", settings.domain) as connection, mysql.transaction(connection) as cursor:
        for statement in (
            "UPDATE sales_by_minute SET revenue_cents = revenue_cents + 1 WHERE minute BETWEEN %s AND %s",
            "DELETE FROM events_by_minute WHERE minute BETWEEN %s AND %s",
            "DELETE FROM sessions WHERE first_seen BETWEEN %s AND %s AND events > 2",
            (
                "UPDATE sessions SET views = views + 1, last_seen = last_seen + INTERVAL 1 DAY "
                "WHERE first_seen BETWEEN %s AND %s"
            ),
        ):
            cursor.execute(statement, (since + timedelta(minutes=1), until - timedelta(minutes=1)))
            assert cursor.rowcount > 0, statement
    sending = send(seed=SEED + 2 * MOST_ROUNDS)
    told = [f"{moment.isoformat()}Z" for moment in (since, until)]
    rebuilt = spark_jobs(settings, "rebuild", "--since", told[0], "--until", told[1])
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    assert pipeline.state("spark") == "RUNNING"
    assert sending.wait() == 0
    assert_exact(pipeline)  # row by row it is compared below


def test_the_aggregates_are_what_a_recomputation_gives(pipeline: Stack) -> None:
    assert_equals_recomputation(pipeline)
