"""Another contract than before: dead letters that are good by a mended one count, exactly once, wherever the replay is
killed; a record that violates a strict one stops the job, and nothing is lost."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import contracts
from audit.verify import verify
from local.choice import preferred
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from producer.records import Record
from settings import ROOT, load
from spark_jobs.replay import ReplayRefused, check
from stores import cassandra, mysql
from stores.replayed import DUPLICATE, EVENT, outcomes
from tests.checkout import checkout
from tests.integration.pipeline import assert_exact, publish, run
from tests.unit.events import encoded, good_event

pytestmark = [pytest.mark.integration, pytest.mark.long]

ORDER = {"event_name": "purchase", "transaction_id": "0b3f4e6a-0000-4000-8000-000000000009"}
KILLED = """
import os, sys
from spark_jobs import __main__, replay
replay.LETTERS_AT_A_TIME = 2
write = replay.archive_sink.write_marked
def write_and_die(archives, *arguments):
    if {written}:
        write(archives, *arguments)
    os._exit(9)
replay.archive_sink.write_marked = write_and_die
sys.argv = ["spark_jobs", "replay"]
sys.exit(__main__.main())
"""
"""A replay of which nothing is left once its first letters are in MySQL, or in Cassandra, too."""


@pytest.fixture(scope="module")
def alone() -> Iterator[Stack]:
    """A stack of its own: afterwards it holds events that the contract of this checkout rejects."""
    with throwaway_stack(runtime=preferred(load())) as running:
        running.start("spark")
        yield running


NOW = contracts.load("ecommerce").version
LATER = NOW + 1
VERSIONS = f"{{minimum: 1, maximum: {NOW}}}"
RULES = "    quality:\n"
STRICT = """\
      - {name: not_from_andorra, type: custom, engine: tillstream, implementation: "country <> 'AD'",
         customProperties: [{property: action, value: fail}], description: Nobody is}
"""


def changed(folder: Path, text: str, in_its_place: str) -> Path:
    """A checkout in which a part of the contract's text is another."""
    contract = checkout(folder) / "contracts" / "ecommerce.yaml"
    before = contract.read_text()
    assert before.count(text) == 1
    contract.write_text(before.replace(text, in_its_place))
    return folder


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its contract takes a version more."""
    return changed(tmp_path_factory.mktemp("mended"), VERSIONS, VERSIONS.replace(str(NOW), str(LATER)))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its contract has a rule that stops the queries."""
    return changed(tmp_path_factory.mktemp("strict"), RULES, RULES + STRICT)


def replay(stack: Stack, folder: Path) -> str:
    done = run(stack.settings, "-m", "spark_jobs", "replay", folder=folder)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def closed(stack: Stack) -> Counter[str]:
    with cassandra.connected(stack.settings, "reader", stack.settings.domain) as session:
        return Counter(outcomes(session).values())


def counted(stack: Stack, name: str) -> int:
    with mysql.connected(stack.settings, "reader", stack.settings.domain) as connection:
        return int(
            mysql.query(connection, "SELECT SUM(events) FROM events_by_minute WHERE event_name = %s", (name,))[0][0]
        )


def numbered(at: datetime, number: int, version: int, **changes: object) -> bytes:
    event_id = f"0b3f4e6a-0000-4000-8000-{number:012d}"
    return encoded(good_event(at=at, event_id=event_id, schema_version=version, **changes))


def test_good_dead_letters_count_once(alone: Stack, mended: Path) -> None:
    at = datetime.now(UTC) - timedelta(minutes=5)
    at_ms = int(at.timestamp() * 1000)
    known, order = numbered(at, 1, NOW), numbered(at, 2, LATER, **ORDER)
    views = [numbered(at, number, LATER) for number in range(3, 10)]
    dead = [
        order,
        order,  # sent twice, rejected twice
        numbered(at, 1, LATER),  # the same event as one that counted
        *views,
        b"{",
        numbered(at, 99, LATER + 1),
    ]
    publish(alone.settings, Record(at_ms, None, known, "event", "view_item", at_ms, 0))
    publish(alone.settings, *(Record(at_ms, None, value, "to come", "view_item", at_ms, 0) for value in dead))
    assert assert_exact(alone).rejected == len(dead)
    alone.stop("spark")
    sealed = datetime.now(UTC) + contracts.load("ecommerce").max_late + timedelta(hours=2)
    verify(alone.settings, now=sealed)

    assert "replayed: 0 events, 0 duplicates" in replay(alone, ROOT)  # nothing was mended

    assert run(alone.settings, "-c", KILLED.format(written=False), folder=mended).returncode == 9
    assert closed(alone).total() == 0
    verify(alone.settings, now=sealed)
    assert run(alone.settings, "-c", KILLED.format(written=True), folder=mended).returncode == 9
    assert closed(alone).total() == 1
    verify(alone.settings, now=sealed)
    replay(alone, mended)
    assert closed(alone) == {EVENT: 1 + len(views), DUPLICATE: 2}
    assert (counted(alone, "purchase"), counted(alone, "view_item")) == (1, 1 + len(views))
    verdict = verify(alone.settings, now=sealed)
    assert verdict.exact, verdict.differences
    assert (verdict.archived, verdict.duplicates_dropped, verdict.rejected) == (2 + len(views), 2, 2)

    assert "replayed: 0 events, 0 duplicates; 2 dead letters" in replay(alone, mended)
    assert verify(alone.settings, everything=True, now=sealed) == verdict
    with cassandra.connected(alone.settings, "admin", alone.settings.domain) as session:
        session.execute("TRUNCATE proven_hours")  # for in truth the hours go on


def test_a_recomputation_knows_what_was_replayed(alone: Stack, mended: Path) -> None:
    before = assert_exact(alone)
    checked = run(alone.settings, "-m", "spark_jobs", "rebuild", "--check", folder=mended)
    assert checked.returncode == 0, checked.stdout[-3000:]
    rebuilt = run(alone.settings, "-m", "spark_jobs", "rebuild", folder=mended)
    assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
    assert assert_exact(alone) == before


def test_where_the_stores_differ_it_is_refused(alone: Stack) -> None:
    settings = alone.settings
    check(settings)
    with mysql.connected(settings, "root", settings.domain) as connection:
        for change in (1, -1):
            with mysql.transaction(connection) as cursor:
                cursor.execute("UPDATE checkpoints SET rejected = rejected + %s", (change,))
            if change > 0:
                with pytest.raises(ReplayRefused, match="run 'make rebuild', then 'make replay'"):
                    check(settings)
    check(settings)


def test_a_record_that_violates_a_rule_of_fail_stops_the_job_and_is_named(alone: Stack, strict: Path) -> None:
    at = datetime.now(UTC)
    at_ms = int(at.timestamp() * 1000)
    andorra = numbered(at, 200, NOW, country="AD")
    publish(alone.settings, Record(at_ms, None, andorra, "event", "view_item", at_ms, 0))
    stopped = run(alone.settings, "-m", "spark_jobs", folder=strict)
    assert stopped.returncode == os.EX_CONFIG, stopped.stdout[-3000:]
    for query in ("archive", "aggregate"):
        assert re.search(rf"{query} is stopped: .*offset \d+.*not_from_andorra", stopped.stdout), stopped.stdout[-3000:]
    alone.start("spark")  # by this checkout's contract it is an event as all others
    assert_exact(alone)
