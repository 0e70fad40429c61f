"""Bad input never stops the job, and lands in the dead letter as it was, with its reason and its address."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from kafka import KafkaProducer

from local.native.stack import Stack
from producer.ledger import Ledger, entry
from producer.publish import Publisher
from producer.records import Record
from settings import Settings
from spark_jobs.pipeline_tables import start_of
from spark_jobs.replay import good_ones, validator_of
from spark_jobs.validation import MAX_RECORD_BYTES
from stores import mysql
from stores.dead_letter import letters
from stores.kafka import end_offsets, read_all
from tests.exposure import assert_no_secret_is_seen
from tests.integration.pipeline import assert_exact
from tests.unit.events import encoded, good_event
from tests.unit.test_validation import record
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.integration

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "validation.yaml").read_text())
TWO_MEGABYTES = 2_000_000


def bad_records() -> dict[str, tuple[bytes | None, bytes | None, str]]:
    """Name -> key, value and the reason expected."""
    key = b"0b3f4e6a-0000-4000-8000-000000000002"
    now = datetime.now(UTC)
    bad = {case["name"]: (key, record(case, now), case["reject"]) for case in CASES if case.get("reject")}
    bad["2 MB long"] = (key, encoded(good_event(at=now, search_term="x" * TWO_MEGABYTES)), "too_large")
    bad["2 MB of noise"] = (None, b"\0\xff" * (TWO_MEGABYTES // 2), "too_large")
    bad["neither JSON nor a key"] = (None, b"{'single': 'quotes'}", "not_json")
    bad["an event that was padded"] = (key, encoded(good_event(at=now)) + b" " * TWO_MEGABYTES, "too_large")
    bad["a reason as long as the record"] = (key, encoded(good_event(at=now, device="x" * 200_000)), "schema")
    return bad


GIANT = b'{"search_term":"' + b"x" * (12 << 20) + b'"}'
"""Which gzip makes 12 KB."""


def send_compressed(settings: Settings, ledger: Ledger, record: Record) -> None:
    """Sends a record as its sender would who compresses with gzip, noted in the ledger as intended."""
    ends = end_offsets(settings)
    intent = ledger.intend([entry(record)], ends)
    sender = KafkaProducer(
        bootstrap_servers=settings.kafka, acks="all", compression_type="gzip", max_request_size=64 << 20
    )
    sent = sender.send(settings.events_topic, record.value, record.key).get(DEADLINE_S)
    sender.close()
    ledger.settle([intent], intent.entries, ends | {sent.partition: sent.offset + 1})


def test_bad_input_lands_in_the_dead_letter(pipeline: Stack) -> None:
    settings = pipeline.settings
    bad = bad_records()
    with Ledger(settings.ledger_path) as ledger, Publisher(settings, ledger) as publisher:
        publisher.publish([as_record(key, value, "bad input") for key, value, _ in bad.values()])
        good = encoded(good_event(at=datetime.now(UTC), event_id="0b3f4e6a-0000-4000-8000-0000000000aa"))
        publisher.publish([as_record(None, good, "event")])
        send_compressed(settings, ledger, as_record(b"key", GIANT, "bad input"))
    assert_exact(pipeline)
    found = {
        (letter.key, letter.value, {name: value.decode() for name, value in letter.headers}["reason"]): letter
        for letter in read_all(settings, settings.dead_letter_topic)
    }
    bad["12 MB long"] = (b"key", GIANT, "too_large")
    for name, (key, value, reason) in bad.items():
        kept = (value or b"")[:MAX_RECORD_BYTES]
        assert (key, kept, reason) in found, name
        headers = {header: text.decode() for header, text in found[key, kept, reason].headers}
        assert int(headers["length"]) == len(value or b""), name
    headers = {name: value.decode() for name, value in next(iter(found.values())).headers}
    assert headers["topic"] == settings.events_topic
    assert headers["detail"]
    assert int(headers["partition"]) >= 0
    assert int(headers["offset"]) >= 0
    assert samples(settings) == newest(settings)


def test_a_letter_that_was_cut_stays_closed_whatever_is_left_of_it(pipeline: Stack) -> None:
    """The beginning of a padded event is that event."""
    validator = validator_of(pipeline.settings)
    for address, value in letters(pipeline.settings):
        if address.reason == "too_large":
            assert len(value) == MAX_RECORD_BYTES
            assert good_ones(validator, [(address, value)]).is_empty()


def newest(settings: Settings) -> dict[str, tuple[int, int, str]]:
    """Reason -> partition, offset and start of the newest record in the dead letter."""
    found = {}
    for letter in read_all(settings, settings.dead_letter_topic):
        header = {name: value.decode() for name, value in letter.headers}
        place = (header["appended_at"], int(header["partition"]), int(header["offset"]))
        found[header["reason"]] = max(found.get(header["reason"], ("",)), (*place, start_of(letter.value)))
    return {reason: (partition, offset, start) for reason, (_, partition, offset, start) in found.items()}


def samples(settings: Settings) -> dict[str, tuple[int, int, str]]:
    with mysql.connected(settings, "reader", settings.domain) as connection:
        rows = mysql.query(
            connection,
            "SELECT reason, kafka_partition, kafka_offset, sample FROM reject_samples_by_minute ORDER BY minute",
        )
    return {reason: (partition, offset, start) for reason, partition, offset, start in rows}


def test_no_secret_is_seen_while_spark_reports_what_is_wrong(pipeline: Stack) -> None:
    assert_no_secret_is_seen(pipeline, "spark")


def as_record(key: bytes | None, value: bytes | None, kind: str) -> Record:
    """A record for the ledger; a good one is the view of an item that occurs now."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return Record(now_ms, key, value, kind, "view_item", now_ms, 0)
