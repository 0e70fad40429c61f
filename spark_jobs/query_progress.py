"""What Spark tells of its queries, as rows of progress_by_minute and queries; mysql/pipeline.sql says what they mean.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from spark_jobs.lag import Lag
from spark_jobs.merge import table
from stores.offsets import Offsets

PHASES = {  # column -> the names that Spark has for it in durationMs
    "offsets_ms": ("latestOffset", "getBatch"),
    "planning_ms": ("queryPlanning",),
    "work_ms": ("addBatch",),
    "log_ms": ("walCommit", "commitOffsets"),
}
SUMS = ("batches", "records", "duration_ms", *PHASES)
MAXIMA = ("longest_ms", "lag_records", "lag_ms")


@dataclass(frozen=True)
class Report:
    """A micro-batch that Spark has finished, of a domain's query.

    - spark_query_id: the id of the query's checkpoint in Spark; batch ids count within it
    - ended_at: UTC, naive
    - end: the next offset of each partition after it
    - phases_ms: by the columns of PHASES
    """

    domain: str
    query: str
    spark_query_id: str
    batch_id: int
    ended_at: datetime
    records: int
    duration_ms: int
    phases_ms: Mapping[str, int]
    end: Offsets


def full_name(domain: str, query: str) -> str:
    """What Spark knows a domain's query by."""
    return f"{domain}.{query}"


def report(progress: Mapping[str, Any]) -> Report:
    """The report of a progress event, in Spark's own form (StreamingQueryProgress.json)."""
    started_at = datetime.fromisoformat(progress["timestamp"]).astimezone(UTC).replace(tzinfo=None)
    durations = progress["durationMs"]
    (source,) = progress["sources"]
    (end,) = source["endOffset"].values()
    domain, query = progress["name"].split(".")
    return Report(
        domain=domain,
        query=query,
        spark_query_id=progress["id"],
        batch_id=progress["batchId"],
        ended_at=started_at + timedelta(milliseconds=progress["batchDuration"]),
        records=progress["numInputRows"],
        duration_ms=progress["batchDuration"],
        phases_ms={column: sum(durations.get(name, 0) for name in names) for column, names in PHASES.items()},
        end={int(partition): offset for partition, offset in end.items()},
    )


def new(reports: Sequence[Report], noted: Mapping[str, tuple[str, int]]) -> list[Report]:
    """The reports that were not counted yet, where `noted` has the last one of each query: (spark_query_id, batch_id).

    Spark reports the micro-batches of a query in their order; after a crash it may report the last one again.
    """
    last = dict(noted)
    found = []
    for told in reports:
        spark_query_id, batch_id = last.get(told.query, ("", -1))
        if spark_query_id != told.spark_query_id or batch_id < told.batch_id:
            found.append(told)
            last[told.query] = (told.spark_query_id, told.batch_id)
    return found


@table(key=("minute", "query"), sum=SUMS, maximum=MAXIMA)
def progress_by_minute(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `rows_of`: one a micro-batch or look at the lag."""
    return rows


def rows_of(reports: Sequence[Report], lags: Mapping[str, Lag], looked_at: datetime) -> pl.DataFrame:
    """Rows of progress_by_minute, not yet combined, for micro-batches and for lags that were found at `looked_at`."""
    nothing = dict.fromkeys((*SUMS, *MAXIMA), 0)
    ended = [
        nothing
        | {"minute": told.ended_at, "query": told.query, "batches": 1, "records": told.records}
        | {"duration_ms": told.duration_ms, "longest_ms": told.duration_ms, **told.phases_ms}
        for told in reports
    ]
    looked = [
        nothing | {"minute": looked_at, "query": query, "lag_records": lag.records, "lag_ms": lag.ms}
        for query, lag in lags.items()
    ]
    schema = {"minute": pl.Datetime("us"), "query": pl.String(), **dict.fromkeys(nothing, pl.Int64())}
    return pl.DataFrame([*ended, *looked], schema=schema).with_columns(pl.col("minute").dt.truncate("1m"))


def last_batches(reports: Sequence[Report]) -> pl.DataFrame:
    """The last micro-batch of each query, as rows of `queries` without their lag."""
    last = {told.query: told for told in reports}
    schema = {
        "query": pl.String(),
        "spark_query_id": pl.String(),
        "batch_id": pl.Int64(),
        "ended_at": pl.Datetime("us"),
        "records": pl.Int64(),
        "duration_ms": pl.Int64(),
    }
    return pl.DataFrame([{name: getattr(told, name) for name in schema} for told in last.values()], schema=schema)
