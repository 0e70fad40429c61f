"""Recomputes MySQL from Cassandra by the same functions that the stream uses, and swaps it in.

For when MySQL or a checkpoint was lost, or a domain's functions were changed. The job must be stopped. First the
archive query takes all there is in Kafka, so that Cassandra holds exactly the events before some offsets. Then the
tables are computed anew in a database beside the old one, with the ids seen and a checkpoint that goes on at those
offsets; at last all are renamed in one statement. A crash before that leaves the old tables, and `rebuild` can simply
run again.

Of the time before the first hour that the archive still has whole, the rows that are there stay.

Of events under one id, or with one business key, those count that counted in the stream: what it passed over is noted
in Cassandra. Where MySQL is lost, or Kafka no longer has what is archived and was not counted yet, it has not come to
decide on the last ones. Then the earliest counts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import polars as pl
import pyarrow as pa
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession

import contracts
from producer.ledger import Ledger
from settings import Settings
from spark_jobs import aggregate, domains, replay, rollup, session
from spark_jobs.archive import Archive
from spark_jobs.checkpoint import CheckpointRefused
from spark_jobs.dedup import Dedup
from spark_jobs.drain import complete_aggregates, complete_archive
from spark_jobs.job import Refused, only_one
from spark_jobs.pipeline_tables import rejects_by_minute
from spark_jobs.seen import EVENT
from spark_jobs.sinks.cassandra import pass_over, passed_over, read_partition
from spark_jobs.sinks.hours import kept_right
from spark_jobs.sinks.mysql import QUERY, SEEN_IDS, SEEN_KEYS, hold, merge_rows, now
from spark_jobs.slices import VALIDATED, packed, read_slices, worker_validator
from spark_jobs.source import kept
from spark_jobs.validation import Validator
from stores import cassandra, coverage, mysql, progress
from stores.dead_letter import Address, addresses
from stores.hour import HOUR, hour_of
from stores.offsets import to_json
from stores.replayed import closed
from stores.time_to_live import is_kept

log = logging.getLogger(__name__)

LONGEST_VISIT = timedelta(days=1)
"""What a row that is made of several hours' events has at most from its first event to its last."""
SINCE_EVER = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
Partition = tuple[datetime, int]


class Differs(RuntimeError):  # noqa: N818 - it says what was found
    """The tables are not what a recomputation gives; the message says which and by how many rows."""


def run(settings: Settings) -> None:
    """Rebuilds the domain's tables. Raises CheckpointRefused while the job runs, and as drain.run_through."""
    with only_one(settings), session.running(settings) as spark:
        replay.settle(settings)
        rollup.begin(settings)
        undecided_from = decide(settings, spark)
        Archive(settings).renew()
        release(settings)
        archived = complete_archive(settings, spark)
        with beside(settings) as connection:
            ages = rollup.ages(settings, now())
            recompute(settings, spark, connection, archived, (ages.sealed, ages.minutes), undecided_from)
            swap(settings, connection)
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
        rollup.begin(settings)
        archived = complete_archive(settings, spark)
        complete_aggregates(settings, spark)
        with (
            mysql.connected(settings, "reader", settings.domain) as connection,
            mysql.transaction(connection) as cursor,
        ):
            reach = coverage.read(cursor)
        with beside(settings) as connection:
            upto = (reach.hours_until, reach.minutes_from)
            same_from = recompute(settings, spark, connection, archived, upto)
            found = differences(settings, connection, max(same_from, reach.hours_from), reach.minutes_from)
    if found:
        raise Differs("; ".join(found))
    log.info("every row of every table is what the recomputation gives")


def differences(settings: Settings, connection: Any, hours_from: datetime, minutes_from: datetime) -> list[str]:
    """How the tables differ from the recomputed ones: hours from `hours_from`, minutes from `minutes_from` on."""
    compared = []
    for table in (*aggregate.domain_tables(settings.domain), rejects_by_minute):
        since = minutes_from if table.hours else rollup.kept_from(settings, now(), table.keep_days)
        compared.append((table.name, table.columns, table.expires_by, max(since, hours_from)))
    compared += [(table.name, table.columns, "minute", hours_from) for table in rollup.tables_of_hours(settings.domain)]
    found = []
    for name, columns, time, since in compared:
        streamed, recomputed = (
            f"SELECT {', '.join(columns)} FROM `{database}`.{name} WHERE {time} >= %s"  # noqa: S608 - names only
            for database in (settings.domain, name_beside(settings))
        )
        for what, left, right in (("only in", streamed, recomputed), ("missing in", recomputed, streamed)):
            [(rows,)] = mysql.query(
                connection,
                f"SELECT COUNT(*) FROM (({left}) EXCEPT ({right})) AS difference",  # noqa: S608
                (since, since),
            )
            if rows:
                found.append(f"{rows} rows {what} {name}")
    return found


def name_beside(settings: Settings) -> str:
    return f"{settings.domain}__rebuild"


@contextmanager
def beside(settings: Settings) -> Iterator[Any]:
    """A connection to an empty database with the domain's tables, which is dropped at the end."""
    with mysql.connected(settings, "root") as connection:
        cursor = connection.cursor()
        with mysql.empty_database(cursor, name_beside(settings), mysql.scripts(settings.domain)):
            mysql.make_views(cursor, settings.domain)
            connection.commit()
            yield connection


def read_archive(settings: Settings, slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: partitions of the archive (minute, shard) -> their events, as slices.validate_slices gives them,
    with what was decided about them."""
    validator = worker_validator(settings.domain)
    for partitions in slices:
        for row in partitions.to_pylist():
            yield packed(validated_partition(settings, validator, row["minute"], row["shard"]))


def validated_partition(settings: Settings, validator: Validator, minute: datetime, shard: int) -> pl.DataFrame:
    """The events of a partition: Validator.validate_archived's columns, digest, and `decided`, null where they count.
    Raises Unavailable."""
    payloads, digests = read_partition(settings, domains.raw_tables(settings.domain)[0], minute, shard)
    validated = validator.validate_archived(payloads, minute).with_columns(
        pl.Series("digest", digests, dtype=pl.UInt64)
    )
    decided = passed_over(settings, [(minute, shard)])
    return validated.join(decided, on=["event_id", "digest"], how="left", maintain_order="left")


def partitions(settings: Settings) -> list[Partition]:
    """All partitions (minute, UTC; shard) of the archive, in order of time."""
    main = domains.raw_tables(settings.domain)[0]
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
    archived: Archive,
    upto: tuple[datetime, datetime],
    undecided_from: datetime | None = None,
) -> datetime:
    """Computes the tables anew, in the database that is connected; the hours before the first time of `upto` are added
    up, and those before the second one are hours alone.

    Returns from when on rows are what the stream would have made of the same events. What is older than the archive is
    copied; a visit that reaches over that seam, and is among the hours already, is counted once more.

    Among events that occurred from `undecided_from` on, those under one id are told apart here, too; None: all were
    decided on. Times are UTC, naive.
    """
    tables = aggregate.domain_tables(settings.domain)
    kept_from = {table.name: rollup.kept_from(settings, now(), table.keep_days) for table in tables}
    contract = contracts.load(settings.domain)
    ids_from = now() - contract.remembered
    expired = replay.expired_hours(settings)
    hours = list(by_hour(partitions(settings)))
    whole_from = first_whole(settings, [hour for hour, _ in hours])
    copied = keep(settings, connection, whole_from)
    sealed, rows_before = upto
    aggregated, dedup = sum(hour.events for hour in expired.values()), Dedup(contract.business_key)
    for hour, hours_partitions in hours:
        begins = hour.replace(tzinfo=None)
        validated = read_hour(settings, spark, hours_partitions)
        good = aggregate.with_minute(validated.filter(pl.col("reject").is_null()))
        dedup.forget(begins - contract.remembered)
        good = decided(settings, dedup, good, undecided_from, contract.remembered)
        events = good.filter(pl.col("outcome") == EVENT)
        aggregated += 0 if hour in expired else events.height
        held = dict(zip((SEEN_IDS, SEEN_KEYS), dedup.new(good.filter(pl.col("minute") >= ids_from)), strict=True))
        merged = []
        for table in tables if begins >= whole_from else ():
            if table.hours or begins >= kept_from[table.name]:
                _, rows = aggregate.rows_of(table, events)
                if table.name in copied:
                    rows = rows.join(copied[table.name], on=table.key, how="anti")
                merged.append((table, rows))
        with mysql.transaction(connection) as cursor:
            with kept_right(cursor, merged):
                for table, rows in merged:
                    merge_rows(cursor, table, rows)
            hold(cursor, -1, held)
        so_far = begins - LONGEST_VISIT
        rollup.run(connection, settings.domain, min(sealed, so_far), min(rows_before, so_far))
        log.info("recomputed %s: %d events", hour.strftime("%Y-%m-%d %H:00"), events.height)
    rollup.run(connection, settings.domain, sealed, rows_before)
    rejected = addresses(settings)
    replayed = closed(settings)
    with mysql.transaction(connection) as cursor:
        merge_rows(cursor, *aggregate.rows_of(rejects_by_minute, reject_frame(rejected)))
        note(cursor, archived, aggregated, replay.open_letters(rejected, replayed, expired))
    seam = bool(expired) or any(hour.replace(tzinfo=None) < whole_from for hour, _ in hours)
    return whole_from + LONGEST_VISIT if seam else whole_from


def first_whole(settings: Settings, hours: Iterable[datetime]) -> datetime:
    """The first of these hours (UTC) of which the archive has all events still; the one to come where it has none of
    any. UTC, naive. Raises Unavailable."""
    at, lives = datetime.now(UTC), replay.lives(settings)
    return min((hour for hour in hours if is_kept(hour, lives, at)), default=hour_of(at) + HOUR).replace(tzinfo=None)


def keep(settings: Settings, connection: Any, until: datetime) -> dict[str, pl.DataFrame]:
    """Copies what is older than `until` (UTC, naive) from the old tables, and notes how far back the new ones reach.

    Returns, by the table, keys of copied rows that have what came afterwards in them, too. Raises Unavailable.
    """
    copied = {}
    with mysql.transaction(connection) as cursor:
        for table in aggregate.domain_tables(settings.domain):
            old = {table.name: table.expires_by, **{hours.name: "minute" for hours in table.hours}}
            for name, time in old.items():
                columns = ", ".join(columns_of(cursor, name))
                cursor.execute(
                    f"INSERT INTO {name} ({columns}) SELECT {columns} FROM `{settings.domain}`.{name} "  # noqa: S608
                    f"WHERE {time} < %s",
                    (until,),
                )
            if not table.of_minutes:
                cursor.execute(f"SELECT {', '.join(table.key)} FROM {table.name}")  # noqa: S608
                copied[table.name] = pl.DataFrame(cursor.fetchall(), schema=list(table.key), orient="row")
        cursor.execute(f"INSERT INTO coverage SELECT * FROM `{settings.domain}`.coverage")  # noqa: S608
        cursor.execute(
            "UPDATE coverage SET hours_until = LEAST(hours_until, %s), "
            "hours_from = LEAST(hours_from, %s), minutes_from = LEAST(minutes_from, %s)",
            (until, until, until),
        )
    return {name: keys for name, keys in copied.items() if keys.height}


def columns_of(cursor: Any, table: str) -> list[str]:
    """Those that are stored."""
    cursor.execute(f"SHOW COLUMNS FROM {table} WHERE Extra NOT LIKE '%GENERATED%'")
    return [name for name, *_ in cursor.fetchall()]


def decided(
    settings: Settings, dedup: Dedup, events: pl.DataFrame, undecided_from: datetime | None, remembered: timedelta
) -> pl.DataFrame:
    """Archived events of an hour, in any order, with their `outcome`. What is passed over only here is noted, so that
    the stream knows it, too. Raises Unavailable.

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
    pass_over(settings, domains.raw_tables(settings.domain)[0], passed)
    dedup.add(*dedup.new(told))
    return pl.concat([others, told])


def read_hour(settings: Settings, spark: SparkSession, hours_partitions: Sequence[Partition]) -> pl.DataFrame:
    """The validated events of some partitions of the archive."""
    rows = pa.table(
        {
            "minute": pa.array([minute for minute, _ in hours_partitions], pa.timestamp("us", "UTC")),
            "shard": pa.array([shard for _, shard in hours_partitions], pa.int32()),
        }
    )
    frame = spark.createDataFrame(rows).repartition(spark.sparkContext.defaultParallelism)
    values = frame.mapInArrow(partial(read_archive, settings), VALIDATED).toArrow().column("validated").to_pylist()
    return read_slices(values)


def reject_frame(rejected: Sequence[Address]) -> pl.DataFrame:
    """Rejects as rejects_by_minute takes them."""
    return pl.DataFrame(
        {"appended_at": [a.appended_at for a in rejected], "reject": [a.reason for a in rejected]},
        schema={"appended_at": pl.Datetime("us", "UTC"), "reject": pl.String()},
    )


def note(cursor: Any, archived: Archive, aggregated: int, rejected: int) -> None:
    """Writes where the stream goes on; the records that are neither aggregated nor rejected were duplicates.

    The checkpoint's id follows in `swap`.
    """
    records, upto = archived.totals["records"], archived.progress.offsets
    cursor.execute(
        "INSERT INTO checkpoints (query, checkpoint_id, batch_id, offsets, records, aggregated, rejected, duplicates, "
        " committed_at) VALUES (%s, %s, -1, %s, %s, %s, %s, %s, %s)",
        (QUERY, "", to_json(upto), records, aggregated, rejected, records - aggregated - rejected, now()),
    )


def swap(settings: Settings, connection: Any) -> None:
    """Puts the recomputed tables in the old ones' place, all at once, and gives the query the checkpoint that fits; the
    pipeline's history stays."""
    identity = aggregate.checkpoint(settings).create()
    domain_tables = [*aggregate.domain_tables(settings.domain), rejects_by_minute]
    names = [
        *(table.name for table in domain_tables),
        *(table.name for table in rollup.tables_of_hours(settings.domain)),
        *(SEEN_IDS, SEEN_KEYS, "checkpoints", "coverage"),
    ]
    with mysql.transaction(connection) as cursor:
        cursor.execute("UPDATE checkpoints SET checkpoint_id = %s", (identity,))
    old = f"{settings.domain}__old"
    cursor = connection.cursor()
    with mysql.empty_database(cursor, old, []):
        moves = [
            f"`{one}`.{name} TO `{other}`.{name}"
            for name in names
            for one, other in ((settings.domain, old), (name_beside(settings), settings.domain))
        ]
        cursor.execute(f"RENAME TABLE {', '.join(moves)}")
