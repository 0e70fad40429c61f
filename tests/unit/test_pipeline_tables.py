"""The tables about the pipeline itself: validated records in, rows out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from spark_jobs import domains
from spark_jobs.merge import combine
from spark_jobs.pipeline_tables import (
    SAMPLE_LENGTH,
    arrivals,
    latencies,
    lateness_by_minute,
    reject_samples_by_minute,
    start_of,
    with_backlog,
    with_samples,
)
from tests.unit.events import APPENDED_AT, appended, encoded, good_event

MINUTE = datetime(2026, 3, 14, 15, 9)  # noqa: DTZ001 - naive, as MySQL has it
REPLACED = "\N{REPLACEMENT CHARACTER}"


def validated(values: list[bytes | None], offsets: list[int] | None = None) -> pl.DataFrame:
    """Records of partition 3 that the broker took one second after the other."""
    times = [APPENDED_AT + timedelta(seconds=n) for n in range(len(values))]
    frame = domains.validator("ecommerce").validate(values, pl.Series(times, dtype=pl.Datetime("us", "UTC")))
    return frame.with_columns(
        pl.lit(3, dtype=pl.Int32).alias("partition"),
        pl.Series("offset", offsets or range(len(values)), dtype=pl.Int64),
    )


@pytest.mark.parametrize(
    ("seconds", "late_from_s"),
    [(-60, 0), (0, 0), (9.999, 0), (10, 10), (59.999, 10), (60, 60), (600, 600), (3599.999, 600), (3600, 3600)],
)
def test_how_late_an_event_is(seconds: float, late_from_s: int) -> None:
    event = encoded(good_event(minutes=-seconds / 60, event_id="0b3f4e6a-0000-4000-8000-0000000000aa"))
    [row] = lateness_by_minute.rows(domains.validator("ecommerce").validate([event], appended(1))).rows()
    assert row == (MINUTE, late_from_s, 1)


def test_rejects_are_not_late() -> None:
    assert lateness_by_minute.rows(validated([b"hello"])).height == 0


def test_latency_counts_since_an_event_was_created_and_since_the_broker_took_it() -> None:
    event = encoded(good_event(minutes=-1))
    arrived = combine(arrivals, arrivals.rows(domains.validator("ecommerce").validate([event, event], appended(2))))
    committed_at = APPENDED_AT.astimezone(UTC).replace(tzinfo=None) + timedelta(seconds=1)
    rows = latencies(arrived, committed_at).sort("since").rows()
    # The broker's 26.535 is counted from 26.5, so 1.035 s lie in the bucket up to 1.1 s.
    assert rows == [(MINUTE, "appended", 1100, 2), (MINUTE, "created", 70_000, 2)]


def test_what_the_broker_took_before_the_stream_was_caught_up_is_backlog() -> None:
    at = [APPENDED_AT.replace(microsecond=0) + timedelta(seconds=second) for second in (0, 1, 0, 1)]
    arrived = pl.DataFrame({"since": ["created"] * 2 + ["appended"] * 2, "at": at, "events": [1] * 4})

    def kinds(caught_up_at: datetime | None) -> list[str]:
        return with_backlog(arrived, caught_up_at)["since"].to_list()

    assert kinds(None) == ["created", "created", "backlog", "backlog"]
    assert kinds(at[1].replace(tzinfo=None)) == ["created", "created", "backlog", "appended"]
    assert kinds(at[0].replace(tzinfo=None)) == ["created", "created", "appended", "appended"]


@pytest.mark.parametrize(
    ("latency_ms", "up_to_ms"),
    [
        (0, 100),
        (9_999, 10_000),
        (10_000, 20_000),
        (99_999, 100_000),
        (100_000, 200_000),
        (999_999, 1_000_000),
        (1_000_000, 2_000_000),
        (7_200_000, 8_000_000),
    ],
)
def test_buckets_of_latency_grow_with_it(latency_ms: int, up_to_ms: int) -> None:
    at = APPENDED_AT.replace(microsecond=0, tzinfo=None)
    arrived = pl.DataFrame({"since": "created", "at": [at], "events": 1})
    [row] = latencies(arrived, at + timedelta(milliseconds=latency_ms)).rows()
    assert row[1:] == ("created", up_to_ms, 1)


def test_the_sample_of_a_reason_is_its_newest_record() -> None:
    values = [b"first", encoded(good_event()), b"{}", b"", b"last", None]
    rows = reject_samples_by_minute(with_samples(validated(values, [10, 11, 12, 13, 14, 15]), values), "shop.events")
    found = {row["reason"]: row for row in rows.to_dicts()}
    assert {reason: (row["kafka_offset"], row["sample"]) for reason, row in found.items()} == {
        "not_json": (14, "last"),
        "schema": (12, "{}"),
        "empty": (15, ""),
    }
    assert found["not_json"]["topic"] == "shop.events"
    assert found["not_json"]["kafka_partition"] == 3
    assert found["not_json"]["appended_at"] == (APPENDED_AT + timedelta(seconds=4)).replace(tzinfo=None)
    assert all(row["detail"] for row in found.values())


def test_slices_are_sampled_each_and_then_together() -> None:
    early, late = (
        validated([b"a", b"b"], [1, 2]),
        validated([b"c"], [7]).with_columns(pl.col("appended_at").dt.offset_by("5s")),
    )
    both = pl.concat([with_samples(late, [b"c"]), with_samples(early, [b"a", b"b"])])
    assert reject_samples_by_minute(both, "t")["sample"].to_list() == ["c"]


def test_each_minute_has_samples_of_its_own() -> None:
    values = [b"a", b"b", b"c"]
    records = validated(values).with_columns(
        pl.Series("appended_at", [APPENDED_AT + timedelta(minutes=m) for m in (0, 0, 9)])
    )
    rows = reject_samples_by_minute(with_samples(records, values), "t").sort("minute")
    assert rows.select("minute", "sample").rows() == [(MINUTE, "b"), (MINUTE + timedelta(minutes=9), "c")]


def test_no_reject_gives_no_sample() -> None:
    values = [encoded(good_event())]
    assert reject_samples_by_minute(with_samples(validated(values), values), "t").height == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (b"\xff\x00\x1b[31m", f"{REPLACED}{REPLACED}{REPLACED}[31m"),
        (b"a\r\nb", f"a{REPLACED}{REPLACED}b"),
        ("\u202eäΩ😀".encode(), f"{REPLACED}äΩ😀"),
        (b"x" * 1000, "x" * SAMPLE_LENGTH),
        (("😀" * 1000).encode(), "😀" * SAMPLE_LENGTH),
    ],
)
def test_a_record_s_start_is_text_for_a_person(value: bytes | None, text: str) -> None:
    assert start_of(value) == text
