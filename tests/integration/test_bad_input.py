"""Bad input never stops the job, and lands in the dead letter as it was, with its reason and its address."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from local.stack import Stack
from producer.faults import Record
from producer.ledger import Ledger
from producer.publish import Publisher
from settings import Settings
from spark_jobs.pipeline_tables import start_of
from stores import mysql
from stores.kafka import read_all
from tests.exposure import assert_no_secret_is_seen
from tests.integration.pipeline import assert_exact
from tests.unit.events import encoded, good_event
from tests.unit.test_judge import record

pytestmark = pytest.mark.integration

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "judge.yaml").read_text())
TWO_MEGABYTES = 2_000_000


def bad_records() -> dict[str, tuple[bytes | None, bytes | None, str]]:
    """Name -> key, value and the reason expected."""
    key = b"0b3f4e6a-0000-4000-8000-000000000002"
    now = datetime.now(UTC)
    bad = {case["name"]: (key, record(case, now), case["reject"]) for case in CASES if case.get("reject")}
    bad["2 MB long"] = (key, encoded(good_event(at=now, search_term="x" * TWO_MEGABYTES)), "too_large")
    bad["2 MB of noise"] = (None, b"\0\xff" * (TWO_MEGABYTES // 2), "too_large")
    bad["neither JSON nor a key"] = (None, b"{'single': 'quotes'}", "not_json")
    return bad


def test_bad_input_lands_in_the_dead_letter(pipeline: Stack) -> None:
    settings = pipeline.settings
    bad = bad_records()
    with Ledger(settings.ledger_path) as ledger, Publisher(settings, ledger) as publisher:
        publisher.publish([as_record(key, value, "bad input") for key, value, _ in bad.values()])
        good = encoded(good_event(at=datetime.now(UTC), event_id="0b3f4e6a-0000-4000-8000-0000000000aa"))
        publisher.publish([as_record(None, good, "event")])
    assert_exact(pipeline)
    letters = {
        (letter.key, letter.value, {name: value.decode() for name, value in letter.headers}["reason"]): letter
        for letter in read_all(settings, settings.dead_letter_topic)
    }
    for name, (key, value, reason) in bad.items():
        assert (key, value or b"", reason) in letters, name
    headers = {name: value.decode() for name, value in next(iter(letters.values())).headers}
    assert headers["topic"] == settings.events_topic
    assert headers["detail"]
    assert int(headers["partition"]) >= 0
    assert int(headers["offset"]) >= 0
    assert samples(settings) == newest(settings)


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
    return Record(now_ms, key, value, kind, "view_item", now_ms, 0, 0)
