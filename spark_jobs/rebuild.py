"""Recomputes MySQL from Cassandra by the same functions that the stream uses, and swaps it in.

For when MySQL or a checkpoint was lost, or a domain's functions were changed. The job must be stopped. First the
archive query takes all there is in Kafka, so that Cassandra holds exactly the events before some offsets. Then the
tables are computed anew beside the old ones, with the ids seen and a checkpoint that goes on at those offsets; at
last all are renamed in one statement. A crash before that leaves the old tables, and `rebuild` can simply run again.

Of events under one id, or with one business key, those count that counted in the stream: what it passed over is noted
in Cassandra. Where MySQL is lost, or Kafka no longer has what is archived and was not counted yet, it has not come to
decide on the last ones. Then the earliest counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

import contracts
from audit import progress
from producer.ledger import Ledger
from settings import Settings
from spark_jobs import aggregate, domains, replay, session
from spark_jobs.archive import Archive as ArchiveQuery
from spark_jobs.checkpoint import CheckpointRefused, to_json
from spark_jobs.dedup import Dedup
from spark_jobs.drain import complete_aggregates, complete_archive
from spark_jobs.job import Refused, only_one
from spark_jobs.judge import Judge
from spark_jobs.merge import Table
from spark_jobs.pipeline_tables import rejects_by_minute
from spark_jobs.seen import EVENT
from spark_jobs.sinks.cassandra import Archive, pass_over, passed_over, read_partition
from spark_jobs.sinks.dead_letter import Address, addresses
from spark_jobs.sinks.mysql import QUERY, SEEN_IDS, SEEN_KEYS, hold, merge_rows, now
from spark_jobs.source import JUDGED, kept, worker_judge
from stores import cassandra, mysql
from stores.proven_hours import HOUR, hour_of

log = logging.getLogger(__name__)

BESIDE = "__rebuild"
SINCE_EVER = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
Partition = tuple[datetime, int]


class Differs(RuntimeError):  # noqa: N818 - it says what was found
    """The tables are not what a recomputation gives; the message says which and by how many rows."""


def run(settings: Settings) -> None:
    """Rebuilds the domain's tables. Raises CheckpointRefused while the job runs, and as drain.run_through."""
    with only_one(settings), session.running(settings) as spark:
        replay.settle(settings)
        undecided_from = decide(settings, spark)
        ArchiveQuery(settings).renew()
        release(settings)
        archived = complete_archive(settings, spark)
        with mysql.connected(settings, "root", settings.domain) as connection:
            swap(settings, connection, recompute(settings, spark, connection, archived, undecided_from))
    log.info("rebuilt: the stream goes on from here")


def release(settings: Settings) -> None:
    """Lets our producer go on where the topic began anew: it refuses one that its ledger does not know."""
    path = settings.ledger_path
    if path.exists() and kept(settings).begins_anew(Ledger.read(path).offsets):
        Ledger.forget_offsets(path)


def decide(settings: Settings, spark: SparkSession) -> datetime:
    """Has the stream decide which events count, as far as it can; returns the first minute (UTC, naive) in which there
    may be events that it has not decided on."""
    began = now().replace(second=0, microsecond=0)
    with mysql.connected(settings, "reader", settings.domain) as connection:
        if not mysql.query(connection, "SELECT 1 FROM checkpoints WHERE query = %s", (QUERY,)):
            return SINCE_EVER
    with cassandra.connected(settings, "reader", settings.domain) as reader:
        archived = progress.archived(reader).offsets
    try:
        aggregate.Aggregate(settings).renew(archived)
        complete_aggregates(settings, spark)
    except (CheckpointRefused, Refused, StreamingQueryException) as error:
        log.warning("the aggregates can't go on, and don't decide any more what counts: %s", error)
        return SINCE_EVER
    return began - contracts.load(settings.domain).remembered


def check(settings: Settings) -> None:
    """Recomputes the tables and compares them with those that the stream made, row by row; changes nothing.

    Raises Differs, CheckpointRefused while the job runs or where it could not, and as drain.run_through.
    """
    with only_one(settings), Ledger.held(settings.ledger_path), session.running(settings) as spark:
        replay.settle(settings)
        archived = complete_archive(settings, spark)
        complete_aggregates(settings, spark)
        with mysql.connected(settings, "root", settings.domain) as connection:
            names = recompute(settings, spark, connection, archived)
            try:
                found = differences(settings, connection)
            finally:
                discard(connection, names)
    if found:
        raise Differs("; ".join(found))
    log.info("every row of every table is what the recomputation gives")


def differences(settings: Settings, connection: Any) -> list[str]:
    """How the tables differ from the recomputed ones, as far back as retention keeps both whole."""
    since = (now() - timedelta(days=settings.mysql_retention_days) + HOUR).replace(second=0, microsecond=0)
    found = []
    for table in (*aggregate.domain_tables(settings.domain), rejects_by_minute):
        columns, recent = ", ".join(table.columns), f"WHERE {table.expires_by} >= %s"
        streamed = f"SELECT {columns} FROM {table.name} {recent}"  # noqa: S608 - names only, here and below
        recomputed = f"SELECT {columns} FROM {table.name}{BESIDE} {recent}"  # noqa: S608
        for what, left, right in (("only in", streamed, recomputed), ("missing in", recomputed, streamed)):
            [(rows,)] = mysql.query(
                connection,
                f"SELECT COUNT(*) FROM (({left}) EXCEPT ({right})) AS difference",  # noqa: S608
                (since, since),
            )
            if rows:
                found.append(f"{rows} rows {what} {table.name}")
    return found


def discard(connection: Any, names: Sequence[str]) -> None:
    """Drops the recomputed tables."""
    with mysql.transaction(connection) as cursor:
        for name in names:
            cursor.execute(f"DROP TABLE IF EXISTS {name}{BESIDE}")


def read_archive(domain: str, slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: partitions of the archive (minute, shard) -> their events judged, as source.judge_slices does,
    with what was decided about them."""
    judge = worker_judge(domain)
    main = domains.load(domain).ARCHIVE[0]
    for partitions in slices:
        for row in partitions.to_pylist():
            judged = judged_partition(judge, main, row["minute"], row["shard"])
            yield pa.RecordBatch.from_pydict(
                {"judged": pa.array([judged.write_ipc(None, compression="lz4").getvalue()], pa.binary())}
            )


def judged_partition(judge: Judge, archive: Archive, minute: datetime, shard: int) -> pl.DataFrame:
    """The events of a partition: Judge.judge_archived's columns, digest, and `decided`, null where they count. Raises
    Outage."""
    payloads, digests = read_partition(archive, minute, shard)
    judged = judge.judge_archived(payloads, minute).with_columns(pl.Series("digest", digests, dtype=pl.UInt64))
    return judged.join(passed_over([(minute, shard)]), on=["event_id", "digest"], how="left", maintain_order="left")


def partitions(settings: Settings) -> list[Partition]:
    """All partitions (minute, UTC; shard) of the archive, in order of time."""
    main = domains.load(settings.domain).ARCHIVE[0]
    with cassandra.connected(settings, "reader", settings.domain) as connection, cassandra.outages():
        rows = connection.execute(f"SELECT DISTINCT minute, shard FROM {main.name}")  # noqa: S608 - no data in it
        return sorted((row.minute.replace(tzinfo=UTC), row.shard) for row in rows)


def by_hour(all_partitions: Sequence[Partition]) -> Iterator[tuple[datetime, list[Partition]]]:
    """Partitions by the hour they lie in, in order of time."""
    hours: dict[datetime, list[Partition]] = {}
    for minute, shard in all_partitions:
        hours.setdefault(hour_of(minute), []).append((minute, shard))
    yield from hours.items()


def recompute(
    settings: Settings,
    spark: SparkSession,
    connection: Any,
    archived: ArchiveQuery,
    undecided_from: datetime | None = None,
) -> list[str]:
    """Computes the tables anew, beside the old ones; returns the old ones' names, all but the pipeline's history.

    Among events that occurred from `undecided_from` on (UTC, naive), those under one id are told apart here, too;
    None: all were decided on.
    """
    tables: tuple[Table, ...] = (*aggregate.domain_tables(settings.domain), rejects_by_minute)
    names = [*(table.name for table in tables), SEEN_IDS, SEEN_KEYS, "checkpoints"]
    discard(connection, names)
    with mysql.transaction(connection) as cursor:
        for name in names:
            cursor.execute(f"CREATE TABLE {name}{BESIDE} LIKE {name}")
    contract, archive = contracts.load(settings.domain), domains.load(settings.domain).ARCHIVE[0]
    ids_from = now() - contract.remembered
    rows_from = now() - timedelta(days=settings.mysql_retention_days)
    expired = replay.expired_hours(settings)
    aggregated, dedup = sum(hour.events for hour in expired.values()), Dedup(contract.business_key)
    for hour, hours_partitions in by_hour(partitions(settings)):
        judged = read_hour(settings.domain, spark, hours_partitions)
        good = aggregate.with_minute(judged.filter(pl.col("reject").is_null()))
        dedup.forget(hour.replace(tzinfo=None) - contract.remembered)
        good = decided(archive, dedup, good, undecided_from, contract.remembered)
        events = good.filter(pl.col("outcome") == EVENT)
        aggregated += 0 if hour in expired else events.height
        held = dict(zip((SEEN_IDS, SEEN_KEYS), dedup.new(good.filter(pl.col("minute") >= ids_from)), strict=True))
        with mysql.transaction(connection) as cursor:
            if hour.replace(tzinfo=None) + HOUR > rows_from:
                for table in tables[:-1]:
                    merge_rows(cursor, *aggregate.rows_of(table, events), into=table.name + BESIDE)
            hold(cursor, -1, held, BESIDE)
        log.info("recomputed %s: %d events", hour.strftime("%Y-%m-%d %H:00"), events.height)
    rejected = addresses(settings)
    replayed = replay.closed(settings)
    with mysql.transaction(connection) as cursor:
        merge_rows(
            cursor, *aggregate.rows_of(rejects_by_minute, reject_frame(rejected)), into=f"rejects_by_minute{BESIDE}"
        )
        note(cursor, archived, aggregated, replay.open_letters(rejected, replayed, expired))
    return names


def decided(
    archive: Archive, dedup: Dedup, events: pl.DataFrame, undecided_from: datetime | None, remembered: timedelta
) -> pl.DataFrame:
    """Archived events of an hour, in any order, with their `outcome`. What is passed over only here is noted, so that
    the stream knows it, too. Raises Outage.

    Events under one id are told apart from `undecided_from` on, against those of as long as `remembered` before it.
    """
    events = events.sort("occurred_at", "digest").with_columns(pl.col("decided").fill_null(EVENT).alias("outcome"))
    if undecided_from is None or events.is_empty() or events["minute"].max() + remembered + HOUR < undecided_from:
        return events
    others = events.filter(pl.col("outcome") != EVENT)
    told = dedup.outcomes(events.filter(pl.col("outcome") == EVENT))
    outcome = pl.when(pl.col("minute") >= undecided_from).then("outcome").otherwise(pl.lit(EVENT))
    told = told.with_columns(outcome.alias("outcome"))
    passed = told.filter(pl.col("outcome") != EVENT).with_columns(partition=pl.lit(-1), offset=pl.lit(-1))
    pass_over(archive, passed)
    dedup.add(*dedup.new(told))
    return pl.concat([others, told])


def read_hour(domain: str, spark: SparkSession, hours_partitions: Sequence[Partition]) -> pl.DataFrame:
    """The judged events of some partitions of the archive."""
    rows = pa.table(
        {
            "minute": pa.array([minute for minute, _ in hours_partitions], pa.timestamp("us", "UTC")),
            "shard": pa.array([shard for _, shard in hours_partitions], pa.int32()),
        }
    )
    frame = spark.createDataFrame(rows).repartition(spark.sparkContext.defaultParallelism)
    values = frame.mapInArrow(partial(read_archive, domain), JUDGED).toArrow().column("judged").to_pylist()
    return aggregate.read_slices(values)


def reject_frame(rejected: Sequence[Address]) -> pl.DataFrame:
    """Rejects as rejects_by_minute takes them."""
    return pl.DataFrame(
        {"appended_at": [a.appended_at for a in rejected], "reject": [a.reason for a in rejected]},
        schema={"appended_at": pl.Datetime("us", "UTC"), "reject": pl.String()},
    )


def note(cursor: Any, archived: ArchiveQuery, aggregated: int, rejected: int) -> None:
    """Writes where the stream goes on; the records that are neither aggregated nor rejected were duplicates.

    The checkpoint's id follows in `swap`.
    """
    records, upto = archived.totals["records"], archived.progress.offsets
    cursor.execute(
        f"INSERT INTO checkpoints{BESIDE} (query, checkpoint_id, batch_id, offsets, records, aggregated, rejected, "  # noqa: S608
        "duplicates, committed_at) VALUES (%s, %s, -1, %s, %s, %s, %s, %s, %s)",
        (QUERY, "", to_json(upto), records, aggregated, rejected, records - aggregated - rejected, now()),
    )


def swap(settings: Settings, connection: Any, names: Sequence[str]) -> None:
    """Puts the recomputed tables in the old ones' place, all at once, and gives the query the checkpoint that fits."""
    identity = aggregate.checkpoint(settings).create()
    with mysql.transaction(connection) as cursor:
        cursor.execute(f"UPDATE checkpoints{BESIDE} SET checkpoint_id = %s", (identity,))  # noqa: S608
    renames = ", ".join(f"{name} TO {name}__old, {name}{BESIDE} TO {name}" for name in names)
    with mysql.transaction(connection) as cursor:
        for name in names:
            cursor.execute(f"DROP TABLE IF EXISTS {name}__old")
        cursor.execute(f"RENAME TABLE {renames}")
        for name in names:
            cursor.execute(f"DROP TABLE {name}__old")
