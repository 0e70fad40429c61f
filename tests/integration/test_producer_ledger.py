"""The ledger against a real Kafka: it tells exactly what is in the topic, whatever happened to producer and broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from threading import Timer
from uuid import uuid4

import msgspec
import polars as pl
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from local.native.stack import Stack
from producer.faults import Rates
from producer.ledger import Ledger, LedgerError, LedgerView, entry
from producer.simulate import Simulation, simulate
from settings import ROOT, Settings, as_environment
from spark_jobs.domains import validator
from stores.kafka import by_number
from tests.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.integration

PARTITIONS = 4
FAULTS = ("--duplicates", "0.05", "--late", "0.05", "--malformed", "0.05")
FEW = ("--unpaced", "--events", "100", "--rate", "20")  # at a low rate there is little to simulate before the start


@dataclass(frozen=True, kw_only=True)
class OwnTopic(Settings):
    events_topic: str = ""


@pytest.fixture
def settings(servers: Stack, tmp_path) -> Settings:
    """The stack's Kafka, with a topic and a ledger of this test's own."""
    given = asdict(servers.settings) | {"state_dir": str(tmp_path)}
    own = OwnTopic(**given, events_topic=f"ledger-{uuid4().hex[:8]}")
    admin = KafkaAdminClient(bootstrap_servers=own.kafka)
    configuration = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(4 * 1024 * 1024)}
    admin.create_topics([NewTopic(own.events_topic, PARTITIONS, 1, topic_configs=configuration)])
    admin.close()
    return own


DEATHS = {
    "before anything is sent": "pass",
    "while it is sent": "self._producer.flush(timeout=0.001)",
    "when all is acknowledged and nothing is counted": "flush(self, in_flight)",
}
"""When a producer dies that has noted what it is about to send -> the last that it does."""

SCRIPT = """
import os, signal, sys
import producer.publish as p, producer.__main__ as m, settings
settings.Settings.events_topic = "{topic}"
p.GIVE_UP_S = {give_up_s}
batches, flush = {batches}, p.Publisher._flush
def counted(self, in_flight):
    global batches
    batches -= 1
    if batches == 0:
        try:
            {last_act}
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    flush(self, in_flight)
p.Publisher._flush = counted
sys.exit(m.main())
"""


class Producer:
    """`python -m producer` as a process of its own, which gives up a batch after `give_up_s`, and dies at its third
    one where a `death` is given."""

    def __init__(self, settings: Settings, *options: str, give_up_s: float, death: str | None) -> None:
        environment = {**os.environ, **as_environment(settings), "PYTHONPATH": str(ROOT)}
        script = SCRIPT.format(
            topic=settings.events_topic,
            give_up_s=give_up_s,
            batches=3 if death else 0,
            last_act=DEATHS.get(death, "pass"),
        )
        command = [sys.executable, "-c", script, *FAULTS, *options]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)

    def end(self, number: int, within_s: float = DEADLINE_S) -> tuple[int, str]:
        """Sends a signal; returns exit code and log."""
        self.process.send_signal(number)
        return self.wait(within_s)

    def wait(self, within_s: float = DEADLINE_S) -> tuple[int, str]:
        _, log = self.process.communicate(timeout=within_s)
        return self.process.returncode, log

    def wait_for(self, what: str, is_so: Callable[[], object]) -> None:
        """Waits while the producer runs; fails with its log when it has ended, or it takes too long."""

        def is_so_by_now() -> bool:
            if is_so():
                return True
            assert self.process.poll() is None, f"{what}: not before the producer ended"
            return False

        try:
            wait_for(what, is_so_by_now, look_every_s=0.02)
        except AssertionError as failure:
            code, log = self.end(signal.SIGKILL)
            pytest.fail(f"{failure} (exit code {code}):\n{log}")


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[..., Producer]]:
    started = []

    def begin(*options: str, give_up_s: float = 60, death: str | None = None) -> Producer:
        started.append(Producer(settings, *options, give_up_s=give_up_s, death=death))
        return started[-1]

    yield begin
    for producer in started:
        with producer.process as process:  # closes its pipe
            process.kill()


def acknowledged(settings: Settings) -> int:
    try:
        return Ledger.read(settings.ledger_path).acknowledged
    except LedgerError:
        return 0


def an_hour_ago() -> str:
    return (datetime.now(UTC) - timedelta(hours=1)).isoformat()


def in_the_topic(settings: Settings) -> LedgerView:
    """What a ledger should say of the topic: read back and validated, whatever the producer meant to send."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka, group_id=None, enable_auto_commit=False)
    partitions = [TopicPartition(settings.events_topic, partition) for partition in range(PARTITIONS)]
    ends = consumer.end_offsets(partitions)
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    records = []
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for polled in consumer.poll(timeout_ms=500).values():
            records += polled
    consumer.close()
    appended_at = pl.Series([record.timestamp for record in records], dtype=pl.Int64()).cast(pl.Datetime("ms", "UTC"))
    verdict = validator("ecommerce").validate([record.value for record in records], appended_at)
    kinds: Counter[str] = Counter()
    minutes: dict[tuple[int, str], list[int]] = {}
    seen = set()
    for record, reject in zip(records, verdict["reject"], strict=True):
        if reject is not None:
            kinds["malformed"] += 1
            continue
        event = msgspec.json.decode(record.value)
        order = event["transaction_id"] if event["event_name"] == "purchase" else event["event_id"]
        if not seen.isdisjoint({event["event_id"], order}):
            kinds["duplicate"] += 1
            continue
        seen |= {event["event_id"], order}
        kinds["event" if event["sent_at"] == event["occurred_at"] else "late"] += 1
        minute = int(datetime.fromisoformat(event["occurred_at"]).timestamp()) // 60 * 60
        name, worth = event["event_name"], event.get("reporting_value", 0)
        sums = minutes.setdefault((minute, name), [0, 0])
        sums[0] += 1
        sums[1] += worth * (name in ("purchase", "refund"))
    return LedgerView(
        kinds=dict(kinds),
        minutes=[(*key, *sums) for key, sums in sorted(minutes.items())],
        offsets=by_number(ends),
        unsettled=0,
    )


def check(settings: Settings) -> LedgerView:
    """Asserts that ledger and topic agree in every figure."""
    ledger, topic = Ledger.read(settings.ledger_path), in_the_topic(settings)
    assert ledger.unsettled == 0
    assert ledger.acknowledged == topic.acknowledged
    assert ledger.minutes == topic.minutes
    for figure in ("events", "late", "duplicates", "malformed", "by_name"):
        assert getattr(ledger, figure) == getattr(topic, figure), figure
    assert all(ledger.offsets[partition] == end for partition, end in topic.offsets.items() if end)
    return ledger


def test_a_run_to_its_end(settings, start):
    code, log = start("--unpaced", "--events", "6000", "--seed", "1", "--start", an_hour_ago(), "--rate", "50").wait()
    assert code == 0, log
    ledger = check(settings)
    assert ledger.events == 6_000
    assert ledger.by_name["purchase"] > (0, 0)
    assert ledger.duplicates > 0
    assert len(ledger.malformed_by_kind) > 10


@pytest.mark.parametrize("death", DEATHS)
def test_a_producer_that_dies_with_a_batch_in_flight_is_settled_by_the_next(settings, start, death):
    code, log = start("--unpaced", "--start", an_hour_ago(), "--rate", "20", death=death).wait()
    assert code == -signal.SIGKILL, log
    assert Ledger.read(settings.ledger_path).unsettled == 1
    counted = acknowledged(settings)
    assert counted > 0
    code, log = start(*FEW, "--start", an_hour_ago()).wait()
    assert code == 0, log
    assert "had reached the topic" in log
    check(settings)


def test_half_a_batch_counts_as_half(settings, start):
    """The death that matters most, made to happen: some records of an intent are in the topic, some are not."""
    begun = datetime.now(UTC) - timedelta(hours=1)
    shop = Simulation("ecommerce", 5, begun, 20.0, Rates(duplicates=0.3, late=0.1, malformed=0.2))
    records = list(simulate(shop, 400))
    with Ledger(settings.ledger_path) as ledger:
        ledger.intend([entry(record) for record in records[:250]], dict.fromkeys(range(PARTITIONS), 0))
        ledger.intend([entry(record) for record in records[250:]], dict.fromkeys(range(PARTITIONS), 0))
    broker = KafkaProducer(bootstrap_servers=settings.kafka)
    for record in records[:330]:
        broker.send(settings.events_topic, record.value, record.key, partition=0)
    broker.close()
    assert start(*FEW, "--start", an_hour_ago()).wait()[0] == 0
    assert check(settings).acknowledged > 330


def test_live_producer_backfills_once_and_ends_well(settings, start):
    producer = start("--rate", "20", "--backfill-minutes", "2")
    producer.wait_for("two minutes of events", lambda: acknowledged(settings) > 1_500)
    assert producer.end(signal.SIGTERM)[0] == 0
    first = check(settings)
    assert first.minutes[0][0] < datetime.now(UTC).timestamp() - 90
    producer = start("--rate", "20", "--backfill-minutes", "2")
    producer.wait_for("live events", lambda: acknowledged(settings) > first.acknowledged + 20)
    assert producer.end(signal.SIGTERM)[0] == 0
    assert check(settings).acknowledged < first.acknowledged + 1_000


def test_an_outage_of_kafka_loses_nothing(settings, start, stack):
    producer = start("--rate", "200", "--backfill-minutes", "0")
    producer.wait_for("records acknowledged", lambda: acknowledged(settings) > 200)
    stack.kill("kafka")
    stack.wait_ready("kafka")
    before = acknowledged(settings)
    producer.wait_for("records after the outage", lambda: acknowledged(settings) > before + 200)
    code, log = producer.end(signal.SIGTERM)
    assert code == 0, log
    check(settings)


def test_what_a_producer_gave_up_is_settled_by_the_next(settings, start, stack):
    producer = start("--rate", "200", "--backfill-minutes", "0", give_up_s=1)
    producer.wait_for("records acknowledged", lambda: acknowledged(settings) > 200)
    stack.kill("kafka")
    code, log = producer.wait()
    assert code == 1, log
    assert "has not acknowledged" in log
    assert Ledger.read(settings.ledger_path).unsettled == 1
    assert start(*FEW, "--start", an_hour_ago()).wait()[0] == 0  # waits for Kafka
    check(settings)


def test_a_broker_that_stands_still_while_a_producer_connects_is_reported(settings, start, stack):
    broker = stack.processes("kafka")
    for process in broker:
        process.suspend()
    try:
        producer = start(*FEW, "--start", an_hour_ago())
        too_late = Timer(DEADLINE_S, producer.process.kill)
        too_late.start()
        said = next((line for line in producer.process.stderr if "Kafka: outage" in line), "")
        too_late.cancel()
    finally:
        for process in broker:
            process.resume()
    assert "trying again" in said
    assert producer.wait()[0] == 0
    check(settings)


def test_a_second_producer_is_refused(settings, start):
    producer = start("--rate", "20", "--backfill-minutes", "0")
    producer.wait_for("records acknowledged", lambda: acknowledged(settings) > 0)
    code, log = start("--rate", "20").wait()
    assert code == 1
    assert "another producer" in log


def test_another_topic_than_the_ledgers_is_refused(settings, start):
    assert start(*FEW, "--start", an_hour_ago()).wait()[0] == 0
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    admin.delete_topics([settings.events_topic])
    wait_for("the topic is gone", lambda: settings.events_topic not in admin.list_topics())
    admin.create_topics([NewTopic(settings.events_topic, PARTITIONS, 1)])
    admin.close()
    code, log = start(*FEW, "--start", an_hour_ago()).wait()
    assert code == 78
    assert "another topic: 'make rebuild' goes on" in log
    Ledger.forget_offsets(settings.ledger_path)  # as it does
    assert start(*FEW, "--start", an_hour_ago()).wait()[0] == 0
