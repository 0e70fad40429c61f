"""The tables that every domain has: of its events by name, and about the pipeline itself.

mysql/pipeline.sql says what their columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from contracts import Amount
from spark_jobs.merge import Table, table

FINE_STEP_MS = 100
LATENCY_STEPS_MS = {10_000: FINE_STEP_MS, 100_000: 10_000, 1_000_000: 100_000}
"""Latency below which a bucket is so wide; above the last one it is `COARSEST_STEP_MS`. At most 126 rows a minute and
kind, though events may be two hours late."""
COARSEST_STEP_MS = 1_000_000
APPENDED, BACKLOG = "appended", "backlog"
"""Since when latency counts: since the broker took an event, while the stream was caught up or was behind."""
LATE_FROM_S = (0, 10, 60, 600, 3600)
"""Where the buckets of late events begin; the last one has no end."""
SAMPLE_LENGTH = 200


def minute_of(column: str) -> pl.Expr:
    """The minute (naive, UTC) that a time lies in, as the column `minute`."""
    return pl.col(column).dt.truncate("1m").dt.replace_time_zone(None).alias("minute")


@table(key=("minute", "reason"), sum=("rejects",))
def rejects_by_minute(records: pl.DataFrame) -> pl.DataFrame:
    return records.filter(pl.col("reject").is_not_null()).select(
        minute_of("appended_at"), pl.col("reject").alias("reason"), pl.lit(1, dtype=pl.Int64).alias("rejects")
    )


def expectations_by_minute(expectations: Sequence[str]) -> Table:
    """The table that counts, for each of these names in a verdict's `failed`, the good events without and with it."""

    @table(key=("minute", "expectation"), sum=("passed", "failed"))
    def expectations_by_minute(records: pl.DataFrame) -> pl.DataFrame:
        events = records.filter(pl.col("reject").is_null()).select(minute_of("occurred_at"), "failed")
        all_of_minute = events.group_by("minute").agg(pl.len().cast(pl.Int64).alias("events"))
        failed_of_minute = (
            events.filter(pl.col("failed").list.len() > 0)
            .explode("failed")
            .group_by("minute", pl.col("failed").alias("expectation"))
            .agg(pl.len().cast(pl.Int64).alias("failed"))
        )
        names = pl.DataFrame({"expectation": expectations}, schema={"expectation": pl.String})
        return (
            all_of_minute.join(names, how="cross")
            .join(failed_of_minute, on=["minute", "expectation"], how="left")
            .select("minute", "expectation", pl.col("events") - (failed := pl.col("failed").fill_null(0)), failed)
            .rename({"events": "passed"})
        )

    return expectations_by_minute


def events_by_minute(amount: Amount | None) -> Table:
    """The table of events by name; `amount` is the contract's."""
    worth = pl.col(amount.field).fill_null(0) if amount else pl.lit(0, dtype=pl.Int64)
    has_one = pl.col("event_name").is_in(amount.events if amount else [])

    @table(key=("minute", "event_name"), sum=("events", "amount"), by_hour=True)
    def events_by_minute(events: pl.DataFrame) -> pl.DataFrame:
        return events.select(
            minute_of("occurred_at"),
            "event_name",
            pl.lit(1, dtype=pl.Int64).alias("events"),
            pl.when(has_one).then(worth).otherwise(0).alias("amount"),
        )

    return events_by_minute


@table(key=("minute", "kind"), sum=("records",))
def duplicates_by_minute(duplicates: pl.DataFrame) -> pl.DataFrame:
    """From good records that do not count, with the column `outcome`, which says why."""
    return duplicates.select(
        minute_of("appended_at"), pl.col("outcome").alias("kind"), pl.lit(1, dtype=pl.Int64).alias("records")
    )


@table(key=("minute", "late_from_s"), sum=("events",))
def lateness_by_minute(records: pl.DataFrame) -> pl.DataFrame:
    late_s = (pl.col("appended_at") - pl.col("occurred_at")).dt.total_seconds()
    late_from_s = pl.lit(LATE_FROM_S[0], dtype=pl.Int64)
    for bound in LATE_FROM_S[1:]:
        late_from_s = pl.when(late_s >= bound).then(pl.lit(bound, dtype=pl.Int64)).otherwise(late_from_s)
    return records.filter(pl.col("reject").is_null()).select(
        minute_of("appended_at"), late_from_s.alias("late_from_s"), pl.lit(1, dtype=pl.Int64).alias("events")
    )


def start_of(value: bytes | None) -> str:
    """The start of a record as text, for a person to read."""
    text = (value or b"")[: 4 * SAMPLE_LENGTH].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:SAMPLE_LENGTH])


def newest_rejects(records: pl.DataFrame) -> pl.DataFrame:
    """The newest rejected record of each reason and `minute`, a column that is added."""
    rejected = records.filter(pl.col("reject").is_not_null()).with_columns(minute_of("appended_at"))
    return rejected.sort("appended_at", "partition", "offset").unique(["reject", "minute"], keep="last")


def with_samples(records: pl.DataFrame, values: Sequence[bytes | None] | pl.Series) -> pl.DataFrame:
    """Validated records with the column `sample`: the start of the record for the newest reject of each reason and
    minute, else null.

    `values` are the records themselves, in the same order.
    """
    rows = newest_rejects(records.with_row_index("row"))["row"].to_list()
    sample = pl.repeat(None, records.height, dtype=pl.String(), eager=True)
    return records.with_columns(sample.scatter(rows, [start_of(values[row]) for row in rows]).alias("sample"))


def reject_samples_by_minute(records: pl.DataFrame, topic: str) -> pl.DataFrame:
    """Validated records of a topic, with `sample` as `with_samples` gives it -> rows of reject_samples_by_minute."""
    return newest_rejects(records.filter(pl.col("sample").is_not_null())).select(
        pl.col("reject").alias("reason"),
        "minute",
        pl.col("reject_detail").alias("detail"),
        pl.lit(topic).alias("topic"),
        pl.col("partition").alias("kafka_partition"),
        pl.col("offset").alias("kafka_offset"),
        pl.col("appended_at").dt.replace_time_zone(None),
        "sample",
    )


@table(key=("since", "at"), sum=("events",))
def arrivals(records: pl.DataFrame) -> pl.DataFrame:
    """Good events by when they were created and by when the broker took them, to 100 ms: not a table in MySQL but what
    `latency_by_minute` needs."""
    events = records.filter(pl.col("reject").is_null())
    return pl.concat(
        events.select(
            pl.lit(since).alias("since"),
            pl.col(time).dt.truncate(f"{FINE_STEP_MS}ms").alias("at"),
            pl.lit(1, dtype=pl.Int64).alias("events"),
        )
        for since, time in (("created", "occurred_at"), (APPENDED, "appended_at"))
    )


def with_backlog(arrived: pl.DataFrame, caught_up_at: datetime | None) -> pl.DataFrame:
    """Rows of `arrivals`, those that the broker took before the stream was caught up as backlog: they had to wait.

    `caught_up_at` is UTC, naive; None where the stream is behind.
    """
    if caught_up_at is None:
        return arrived.with_columns(pl.col("since").replace(APPENDED, BACKLOG))
    waited = (pl.col("since") == APPENDED) & (pl.col("at") < pl.lit(caught_up_at).cast(arrived.schema["at"]))
    return arrived.with_columns(pl.when(waited).then(pl.lit(BACKLOG)).otherwise("since").alias("since"))


@table(key=("minute", "since", "latency_ms"), sum=("events",))
def latency_by_minute(arrived: pl.DataFrame) -> pl.DataFrame:
    """Rows of `arrivals` with the time of the commit in `committed_at` -> rows of latency_by_minute."""
    latency_ms = (pl.col("committed_at") - pl.col("at")).dt.total_milliseconds().clip(0)
    step_ms = pl.lit(COARSEST_STEP_MS, dtype=pl.Int64)
    for below_ms, step in reversed(LATENCY_STEPS_MS.items()):
        step_ms = pl.when(latency_ms < below_ms).then(pl.lit(step, dtype=pl.Int64)).otherwise(step_ms)
    return arrived.select(
        minute_of("committed_at"),
        "since",
        ((latency_ms // step_ms + 1) * step_ms).alias("latency_ms"),
        "events",
    )


def latencies(arrived: pl.DataFrame, committed_at: datetime) -> pl.DataFrame:
    """The rows of latency_by_minute for events that arrived as in `arrivals` and are committed at `committed_at`."""
    stamped = arrived.with_columns(pl.lit(committed_at).cast(arrived.schema["at"]).alias("committed_at"))
    return latency_by_minute.rows(stamped)
