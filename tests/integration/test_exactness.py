"""No event lost, none counted twice, every cent right: with faults in the input, and with Spark killed."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psutil
import pytest

from audit import raw_events
from local.stack import Stack
from producer.incident import Incident, path_of, save
from producer.ledger import Ledger
from stores import mysql
from tests.integration.pipeline import (
    assert_equals_recomputation,
    assert_exact,
    minutes_ago,
    producer,
    spark_jobs,
)

pytestmark = pytest.mark.integration

EVENTS = 200_000
KILLS = 5
SEED = 20_260_314
READ_BACK_S = 1.0
READ_BACK_TIMES = 5


def test_every_event_counts_once(pipeline: Stack) -> None:
    before = Ledger.read(pipeline.settings.ledger_path).acknowledged if pipeline.settings.ledger_path.exists() else 0
    sending = producer(
        pipeline.settings,
        seed=SEED,
        start=minutes_ago(20),
        events=EVENTS,
        rate=300,  # so that at any time of day they have occurred by now: at night the shop has half of it
        unpaced=True,
        duplicates=0.02,
        late=0.03,
        malformed=0.01,
    )
    assert sending.wait() == 0
    verdict = assert_exact(pipeline)
    ledger = Ledger.read(pipeline.settings.ledger_path)
    assert ledger.acknowledged - before > EVENTS
    assert min(ledger.duplicates, ledger.late, ledger.malformed, ledger.purchases) > EVENTS / 200
    assert verdict.archived == verdict.aggregated == ledger.events


def test_raw_events_are_read_back_at_once(pipeline: Stack) -> None:
    settings = pipeline.settings
    with mysql.connected(settings, "reader", settings.domain) as connection:
        [(minute,)] = mysql.query(connection, "SELECT MAX(minute) FROM events_by_minute WHERE event_name = 'purchase'")
        [(events,)] = mysql.query(connection, "SELECT SUM(events) FROM events_by_minute WHERE minute = %s", (minute,))
        [(session_id, of_session)] = mysql.query(
            connection, "SELECT session_id, events FROM sessions WHERE orders > 0 ORDER BY events DESC LIMIT 1"
        )
    of_minute = read_back(lambda: raw_events.of_minute(settings, minute.replace(tzinfo=UTC)))
    assert len(of_minute) == events
    assert {event["schema_version"] for event in of_minute} == {1, 2}, "both versions of the contract, side by side"
    session = read_back(lambda: raw_events.of_session(settings, UUID(bytes=bytes(session_id))))
    assert len(session) == of_session
    order = next(event for event in session if event["event_name"] == "purchase")
    assert order in read_back(lambda: raw_events.of_order(settings, UUID(order["transaction_id"])))


def read_back(read: Callable[[], Iterable[raw_events.Event]]) -> list[dict[str, Any]]:
    """The events; asserts that they come at once. The best of some times counts: the machine has more to do."""
    seconds = []
    for _ in range(READ_BACK_TIMES):
        started = time.monotonic()
        events = list(read())
        seconds.append(time.monotonic() - started)
    assert min(seconds) < READ_BACK_S, seconds
    return [json.loads(event.payload) for event in events]


def test_exact_although_spark_is_killed(pipeline: Stack) -> None:
    moments = random.Random(SEED)
    for number in range(KILLS):
        sending = producer(
            pipeline.settings,
            seed=SEED + 1 + number,
            start=minutes_ago(20),
            events=EVENTS // KILLS,
            unpaced=True,
            duplicates=0.02,
            malformed=0.01,
        )
        time.sleep(moments.uniform(0.5, 8.0))  # a random moment, of Spark's start or of its work
        kill(pipeline, moments.choice(["all", "driver", "jvm"]))
        assert sending.wait() == 0
    assert_exact(pipeline)


def kill(stack: Stack, what: str) -> None:
    """SIGKILL to the whole job, to Python's driver alone, or to the JVM alone."""
    if what == "all":
        stack.kill("spark")
        return
    driver, *children = stack.processes("spark")
    victims = [driver] if what == "driver" else [child for child in children if child.name() == "java"]
    for victim in victims:
        victim.send_signal(signal.SIGKILL)
    psutil.wait_procs(victims, timeout=10)


def test_exact_while_payments_of_one_country_fail(pipeline: Stack) -> None:
    settings = pipeline.settings
    begun = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=100)  # long before all other events
    incident = Incident("US", begun + timedelta(minutes=2), begun + timedelta(minutes=8))
    save(path_of(settings), incident)
    sending = producer(settings, seed=SEED, start=begun.isoformat(), events=36_000, rate=60, unpaced=True)
    assert sending.wait() == 0
    path_of(settings).unlink()
    assert_exact(pipeline)
    shares = (
        "SELECT country = %s, SUM(payment_failures) / SUM(payment_failures + orders) FROM sales_by_minute "
        "WHERE minute >= %s AND minute < %s GROUP BY 1"
    )
    since, until = (moment.replace(tzinfo=None) for moment in (incident.since, incident.until))
    with mysql.connected(settings, "reader", settings.domain) as connection:
        share_failed = dict(mysql.query(connection, shares, (incident.country, since, until)))
    assert share_failed[1] > 0.8
    assert share_failed[0] < 0.3


def test_a_range_is_recomputed_while_the_stream_goes_on(pipeline: Stack) -> None:
    settings = pipeline.settings
    since, until = (minute.replace(second=0, microsecond=0) for minute in minutes_since(20, 3))
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
    sending = producer(settings, seed=SEED + 3, start=minutes_ago(15), events=EVENTS // 5, unpaced=True, late=0.03)
    told = [f"{moment.isoformat()}Z" for moment in (since, until)]
    rebuilt = spark_jobs(settings, "rebuild", "--since", told[0], "--until", told[1])
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    assert pipeline.state("spark") == "RUNNING"
    assert sending.wait() == 0
    assert_exact(pipeline)  # row by row it is compared below


def minutes_since(*minutes: float) -> Iterator[datetime]:
    """So many minutes ago, UTC, naive."""
    return (datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=ago) for ago in minutes)


def test_the_aggregates_are_what_a_recomputation_gives(pipeline: Stack) -> None:
    assert_equals_recomputation(pipeline)


@pytest.mark.parametrize("loss", ["lost", "another stack's"])
def test_a_checkpoint_that_does_not_belong_is_refused(pipeline: Stack, loss: str) -> None:
    pipeline.stop("spark")
    checkpoint = pipeline.settings.checkpoints_dir / pipeline.settings.domain / "aggregate"
    kept = checkpoint.with_name("kept")
    checkpoint.rename(kept)
    if loss != "lost":
        checkpoint.mkdir()
        for path in kept.iterdir():
            (checkpoint / path.name).symlink_to(path)
        (checkpoint / "checkpoint_id").unlink()
        (checkpoint / "checkpoint_id").write_text("11111111-2222-4333-8444-555555555555")
    refused = spark_jobs(pipeline.settings)
    assert refused.returncode == 78
    assert loss in refused.stdout
    assert "make rebuild" in refused.stdout
    if loss != "lost":
        for path in checkpoint.iterdir():
            path.unlink()
        checkpoint.rmdir()
    kept.rename(checkpoint)


def test_rebuild_recomputes_mysql_and_goes_on(pipeline: Stack) -> None:
    settings = pipeline.settings
    pipeline.stop("spark")
    with mysql.connected(settings, "root", settings.domain) as connection, mysql.transaction(connection) as cursor:
        cursor.execute("DELETE FROM checkpoints")
        cursor.execute("UPDATE sales_by_minute SET revenue_cents = revenue_cents + 1")
        cursor.execute("DELETE FROM sessions")
    assert spark_jobs(settings).returncode == 78
    rebuilt = spark_jobs(settings, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    sending = producer(settings, seed=SEED + 2, start=minutes_ago(5), events=5000, unpaced=True, duplicates=0.05)
    assert sending.wait() == 0
    pipeline.start("spark")
    assert_exact(pipeline)
