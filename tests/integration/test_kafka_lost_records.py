"""What Kafka lost before it was read is refused; `rebuild` goes on with the rest, and only what is lost is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from kafka import KafkaAdminClient, TopicPartition

from audit.verify import Verdict, compare, verify, wait, which_hours
from local.choice import preferred
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from producer.ledger import Ledger, LedgerView
from producer.records import Record
from settings import ROOT, load
from stores import cassandra, kafka, mysql
from stores.dead_letter import letters
from stores.kafka import end_offsets
from tests.integration.pipeline import CATCH_UP_S, FAULTS, environment, minutes_ago, publish, shop, spark_jobs
from tests.waiting import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.long]

SEED = 20_260_421
EVENTS, OPEN_MINUTES = 4000, 10
BAD_RECORDS = 20
UNDECIDED = {**FAULTS, "conflicts": 0, "reloads": 0}
"""Where the stream can't decide which of two counts, a rebuild takes the earliest, and the ledger the first."""

ARCHIVE = """
import settings
from spark_jobs import drain, session
settings = settings.load()
with session.running(settings) as spark:
    drain.complete_archive(settings, spark)
"""


@dataclass
class Losing:
    """A stack, and what the ledger had before and after each time that records were sent to be lost."""

    stack: Stack
    shops: int = 0
    losses: list[tuple[LedgerView, LedgerView]] = field(default_factory=list)

    @property
    def ledger(self) -> LedgerView:
        return Ledger.read(self.stack.settings.ledger_path)

    def send(self, faults: Mapping[str, float]) -> None:
        self.shops += 1
        sending = shop(
            self.stack.settings, SEED + self.shops, minutes_ago(OPEN_MINUTES), OPEN_MINUTES, EVENTS, **faults
        )
        assert sending.wait() == 0

    def send_to_be_lost(self) -> int:
        """Returns the number of records."""
        before = self.ledger
        self.send(FAULTS)
        self.losses.append((before, self.ledger))
        return self.ledger.acknowledged - before.acknowledged

    def left(self) -> LedgerView:
        """The ledger without what is lost."""
        kinds, minutes = Counter(self.ledger.kinds), by_minute(self.ledger)
        for before, after in self.losses:
            kinds.subtract(Counter(after.kinds) - Counter(before.kinds))
            for key, sums in by_minute(after).items():
                lost = subtracted(sums, by_minute(before).get(key, (0, 0, 0)))
                minutes[key] = subtracted(minutes[key], lost)
        rows = [(*key, *sums) for key, sums in minutes.items() if any(sums)]
        return replace(self.ledger, kinds=dict(kinds), minutes=rows)

    def assert_refused(self, words: str) -> None:
        refused = spark_jobs(self.stack.settings)
        assert refused.returncode == os.EX_CONFIG, refused.stdout[-3000:]
        assert words in refused.stdout
        assert "run 'make rebuild'" in refused.stdout

    def rebuild(self) -> str:
        rebuilt = spark_jobs(self.stack.settings, "rebuild")
        assert rebuilt.returncode == 0, rebuilt.stdout[-3000:]
        return rebuilt.stdout

    def assert_only_the_lost_are_missing(self) -> None:
        """Starts Spark, and asserts that verify tells of what is lost, and that there is nothing else to tell."""
        self.stack.start("spark")
        told, left = verify(self.stack.settings, CATCH_UP_S), self.left()
        compared = self.compared(left)
        self.stack.stop("spark")
        assert f"records: {left.acknowledged}, the ledger has {self.ledger.acknowledged}" in told.differences
        assert compared.differences == []

    def compared(self, ledger: LedgerView) -> Verdict:
        settings = self.stack.settings
        with (
            cassandra.connected(settings, "auditor", settings.domain) as session,
            mysql.connected(settings, "reader", settings.domain) as connection,
        ):
            reached, now = wait(settings, session, connection, time.monotonic()), datetime.now(UTC)
            which = which_hours(settings, session, now)
            return compare(settings, ledger, reached, which, now, session, connection)


Sums = tuple[int, ...]


def by_minute(ledger: LedgerView) -> dict[tuple[int, str], Sums]:
    return {(minute, name): tuple(sums) for minute, name, *sums in ledger.minutes}


def subtracted(sums: Sums, others: Sums) -> Sums:
    return tuple(one - other for one, other in zip(sums, others, strict=True))


@pytest.fixture(scope="module")
def losing() -> Iterator[Losing]:
    """A stack of its own, with a shop that was counted, which begins with bad records; Spark is stopped."""
    with throwaway_stack(runtime=preferred(load())) as running:
        losing = Losing(running)
        send_bad_records(losing)
        losing.send(FAULTS)
        running.start("spark")
        assert verify(running.settings, CATCH_UP_S).exact
        running.stop("spark")
        yield losing


def send_bad_records(losing: Losing) -> None:
    at_ms = int(minutes_ago(1).timestamp() * 1000)
    bad = [Record(at_ms, None, b"{%d" % number, "bad", "view_item", at_ms, 0) for number in range(BAD_RECORDS)]
    publish(losing.stack.settings, *bad)


@pytest.mark.parametrize("archive_ahead", [False, True])
def test_what_kafka_has_deleted_is_missing_and_nothing_else(losing: Losing, archive_ahead: bool) -> None:
    settings = losing.stack.settings
    if archive_ahead:
        losing.send(UNDECIDED)
        subprocess.run([sys.executable, "-c", ARCHIVE], cwd=ROOT, env=environment(settings), check=True)
    first = end_offsets(settings)
    lost = losing.send_to_be_lost()
    ends = end_offsets(settings)
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    admin.delete_records({TopicPartition(settings.events_topic, p): offset for p, offset in ends.items()})
    admin.close()
    losing.send(UNDECIDED if archive_ahead else FAULTS)
    losing.assert_refused(f"Kafka has deleted {lost} records")
    places = "; ".join(f"partition {p}, offsets {offset} to {ends[p] - 1}" for p, offset in sorted(first.items()))
    assert f"archive: going on without {lost} records ({places})" in losing.rebuild()
    losing.assert_only_the_lost_are_missing()


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(losing: Losing) -> None:
    settings = losing.stack.settings
    losing.send_to_be_lost()
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    admin.delete_topics([settings.events_topic])
    wait_for("the topic is gone", lambda: settings.events_topic not in admin.list_topics())
    admin.close()
    kafka.set_up(settings)
    losing.assert_refused("it was made anew")
    losing.rebuild()
    send_bad_records(losing)
    losing.send(FAULTS)
    losing.assert_only_the_lost_are_missing()
    places = Counter((address.partition, address.offset) for address, _ in letters(settings))
    assert max(places.values()) == 2, "a bad record lay where one of the topic before had lain"
    checked = spark_jobs(settings, "rebuild", "--check")
    assert checked.returncode == 0, checked.stdout[-3000:]
