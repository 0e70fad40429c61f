"""The tables that every domain has, about the pipeline itself; mysql/pipeline.sql says what their columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from spark_jobs.merge import Table, table

FINE_STEP_MS = 100
COARSE_STEP_MS = 10_000


def minute_of(column: str) -> pl.Expr:
    """The minute (naive, UTC) that a time lies in, as the column `minute`."""
    return pl.col(column).dt.truncate("1m").dt.replace_time_zone(None).alias("minute")


@table(key=("minute", "reason"), sum=("rejects",))
def rejects_by_minute(records: pl.DataFrame) -> pl.DataFrame:
    return records.filter(pl.col("reject").is_not_null()).select(
        minute_of("appended_at"), pl.col("reject").alias("reason"), pl.lit(1, dtype=pl.Int64).alias("rejects")
    )


def expectations_by_minute(expectations: Sequence[str]) -> Table:
    """The table that counts, for each of these expectations, the good events that meet it and that do not."""

    @table(key=("minute", "expectation"), sum=("passed", "failed"))
    def expectations_by_minute(records: pl.DataFrame) -> pl.DataFrame:
        events = records.filter(pl.col("reject").is_null())
        failed = {name: pl.col("failed").list.contains(name).cast(pl.Int64) for name in expectations}
        counted = [
            events.select(
                minute_of("occurred_at"),
                pl.lit(name).alias("expectation"),
                (1 - fails).alias("passed"),
                fails.alias("failed"),
            )
            for name, fails in failed.items()
        ]
        return pl.concat(counted)

    return expectations_by_minute


@table(key=("appended_at",), sum=("events",))
def arrivals(records: pl.DataFrame) -> pl.DataFrame:
    """Good events by the broker's time for them, to 100 ms: not a table in MySQL but what `latency_by_minute` needs,
    and the number of events in the micro-batch."""
    return records.filter(pl.col("reject").is_null()).select(
        pl.col("appended_at").dt.truncate(f"{FINE_STEP_MS}ms"), pl.lit(1, dtype=pl.Int64).alias("events")
    )


@table(key=("minute", "latency_ms"), sum=("events",))
def latency_by_minute(arrived: pl.DataFrame) -> pl.DataFrame:
    """Rows of `arrivals` with the time of the commit in `committed_at` -> rows of latency_by_minute."""
    latency_ms = (pl.col("committed_at") - pl.col("appended_at")).dt.total_milliseconds().clip(0)

    def up_to(step_ms: int) -> pl.Expr:
        return (latency_ms // step_ms + 1) * step_ms

    return arrived.select(
        minute_of("committed_at"),
        pl.when(latency_ms < COARSE_STEP_MS)
        .then(up_to(FINE_STEP_MS))
        .otherwise(up_to(COARSE_STEP_MS))
        .alias("latency_ms"),
        "events",
    )


def latencies(arrived: pl.DataFrame, committed_at: datetime) -> pl.DataFrame:
    """The rows of latency_by_minute for events that arrived as in `arrivals` and are committed at `committed_at`."""
    stamped = arrived.with_columns(pl.lit(committed_at).cast(arrived.schema["appended_at"]).alias("committed_at"))
    return latency_by_minute.rows(stamped)
