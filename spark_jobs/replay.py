"""Validates dead letters anew, after the contract or the code was mended, and lets the good ones count, exactly once.

The job must be stopped. First both queries take all there is in Kafka, so that a dead letter's event is a duplicate
where, and only where, Cassandra has it already. Then, some letters at a time:

1. one transaction in MySQL merges the events that are new, moves the letters from `rejected` to `aggregated` or
   `duplicates`, and notes which they are;
2. Cassandra gets each event together with the mark that its letter is closed, both or neither;
3. the notes in MySQL are deleted.

Killed between 1 and 3, the notes tell the next replay, or rebuild, what Cassandra still has to get. The dead letter
itself is never changed: what became of it stands in Cassandra's table `replayed`, from which a rebuild of MySQL knows
it as well. A record is validated by the broker's time for it when it came.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice, product
from typing import Any

import polars as pl

import contracts
from producer.ledger import Ledger
from settings import Settings
from spark_jobs import aggregate, domains, session
from spark_jobs.dedup import Dedup, Held
from spark_jobs.drain import complete_aggregates, complete_archive
from spark_jobs.job import only_one
from spark_jobs.sinks import cassandra as archive_sink
from spark_jobs.sinks import hours
from spark_jobs.sinks.mysql import QUERY, SEEN_IDS, SEEN_KEYS, MySQLSink, hold, merge_rows
from spark_jobs.slices import digests
from spark_jobs.validation import TIMESTAMP, Validator
from stores import cassandra, mysql, proven_hours, time_to_live
from stores.dead_letter import Address, Letter, Place, addresses, letters
from stores.hour import hour_of
from stores.proven_hours import ProvenHour
from stores.replayed import DUPLICATE, EVENT, closed
from stores.time_to_live import TimeToLive, is_kept

log = logging.getLogger(__name__)

LETTERS_AT_A_TIME = 500
MARK = "INSERT INTO replayed (kafka_partition, kafka_offset, outcome, replayed_at) VALUES (?, ?, ?, ?)"


class ReplayRefused(RuntimeError):  # noqa: N818 - it says what happened
    """The stores don't stand where a replay is exact; the message says what to do."""


def run(settings: Settings) -> None:
    """Replays the domain's dead letters. Raises ReplayRefused, CheckpointRefused, Unavailable, and as
    drain.run_through; can be run again then."""
    with only_one(settings), Ledger.held(settings.ledger_path):
        with session.running(settings) as spark:
            archived = complete_archive(settings, spark).progress.offsets
            aggregated = complete_aggregates(settings, spark)
        if archived != aggregated:
            raise ReplayRefused("records came in meanwhile: stop what sends them, and run 'make replay' again")
        settle(settings)
        check(settings)
        events, duplicates, still = replay(settings)
    log.info("replayed: %d events, %d duplicates; %d dead letters are as bad as before", events, duplicates, still)


def expired_hours(settings: Settings) -> dict[datetime, ProvenHour]:
    """What was proven of hours whose events and dead letters may have expired since. Raises Unavailable."""
    with cassandra.connected(settings, "reader", settings.domain) as reader, cassandra.outages():
        in_force, at = time_to_live.read(reader), datetime.now(UTC)
        found = proven_hours.read(reader).items()
    return {hour: proven for hour, proven in found if not is_kept(hour, in_force, at)}


def lives(settings: Settings) -> list[TimeToLive]:
    """How long the archive's rows are kept. Raises Unavailable."""
    with cassandra.connected(settings, "reader", settings.domain) as reader, cassandra.outages():
        return time_to_live.read(reader)


def letters_kept(settings: Settings) -> Iterator[Letter]:
    """The dead letters that have not expired, nor what else occurred when their events did: Kafka deletes later. Raises
    Unavailable."""
    in_force, at, max_late = lives(settings), datetime.now(UTC), contracts.load(settings.domain).max_late
    return (letter for letter in letters(settings) if is_kept(hour_of(letter[0].appended_at - max_late), in_force, at))


def open_letters(dead: Iterable[Address], done: Container[Place], expired: Mapping[datetime, ProvenHour]) -> int:
    """How many dead letters are not closed, with those that have expired since they were proven."""
    there = sum(address.place not in done for address in dead if hour_of(address.appended_at) not in expired)
    return there + sum(hour.open_letters for hour in expired.values())


def check(settings: Settings) -> None:
    """Raises ReplayRefused unless MySQL has counted as rejected what the dead letter has, and nothing else.

    They differ where a contract was changed while the two queries stood at different records; or since dead letters
    have expired that verify has not counted.
    """
    waiting = open_letters(addresses(settings), closed(settings), expired_hours(settings))
    with mysql.connected(settings, "spark", settings.domain) as connection:
        [(rejected,)] = mysql.query(connection, "SELECT rejected FROM checkpoints WHERE query = %s", (QUERY,))
    if waiting != rejected:
        raise ReplayRefused(
            f"the dead letter has {waiting} open records, MySQL has counted {rejected} as rejected: "
            "run 'make rebuild', then 'make replay'"
        )


def validator_of(settings: Settings) -> Validator:
    """A validator that returns what the tables and the archive need."""
    keys = [name for archive in domains.raw_tables(settings.domain) for name in archive.clustering]
    return domains.validator(settings.domain, tuple(dict.fromkeys([*domains.columns_of(settings.domain), *keys])))


def good_ones(validator: Validator, some: Sequence[Letter]) -> pl.DataFrame:
    """The events of the letters that are good now: Validator.validate's columns, minute, value, and the place:
    partition, offset."""
    places = [address for address, _ in some]
    values = [value for _, value in some]
    validated = validator.validate(
        values,
        pl.Series([address.appended_at for address in places], dtype=TIMESTAMP),
        [address.length for address in places],
    )
    validated = validated.with_columns(
        pl.Series("value", values, dtype=pl.Binary),
        pl.Series("partition", [address.place[0] for address in places], dtype=pl.Int64),
        pl.Series("offset", [address.place[1] for address in places], dtype=pl.Int64),
    )
    validated = validated.with_columns(digests(values, validated["reject"]))
    return aggregate.with_minute(validated.filter(pl.col("reject").is_null()))


def in_slices(some: Iterator[Letter]) -> Iterator[list[Letter]]:
    while taken := list(islice(some, LETTERS_AT_A_TIME)):
        yield taken


def replay(settings: Settings) -> tuple[int, int, int]:
    """Replays all open letters; returns the numbers of events, duplicates, and letters that stay."""
    validator = validator_of(settings)
    done, dedup = closed(settings), counted_lately(settings)
    waiting = (letter for letter in letters_kept(settings) if letter[0].place not in done)
    events = duplicates = still = 0
    with mysql.connected(settings, "spark", settings.domain) as connection:
        for some in in_slices(waiting):
            good = good_ones(validator, some)
            still += len(some) - good.height
            if good.is_empty():
                continue
            good = with_outcomes(settings, dedup, validator, good)
            ids, keys = dedup.new(good.filter(pl.col("outcome") == EVENT))
            with mysql.transaction(connection) as cursor:
                count(settings, cursor, good, {SEEN_IDS: ids, SEEN_KEYS: keys})
            dedup.add(ids, keys)
            close(settings, connection, good)
            new = int((good["outcome"] == EVENT).sum())
            events, duplicates = events + new, duplicates + good.height - new
    return events, duplicates, still


def counted_lately(settings: Settings) -> Dedup:
    """What the stream remembers. Raises Unavailable."""
    with closing(MySQLSink(settings)) as sink:
        return sink.remembered(contracts.load(settings.domain).business_key)


def with_outcomes(settings: Settings, dedup: Dedup, validator: Validator, good: pl.DataFrame) -> pl.DataFrame:
    """Good letters with their `outcome`: DUPLICATE is what the stream remembers, or the archive has. Raises
    Unavailable."""
    told = dedup.outcomes(good).with_row_index("row")
    archives = domains.raw_tables(settings.domain)
    there = archive_sink.archived(settings, archives[0], told)
    keyed = dedup.keyed(told)
    by_key = next((a for a in archives if dedup.key and a.clustering[0] == dedup.key.field), None)
    repeats = [
        row
        for row, key in (keyed.select("row", "event_id").rows() if by_key else ())
        if dedup.keyed(counting(settings, validator, archive_sink.of_key(settings, by_key, key))).height
    ]
    new = (pl.col("outcome") == EVENT) & ~pl.Series(there, dtype=pl.Boolean) & ~pl.col("row").is_in(repeats)
    return told.with_columns(pl.when(new).then(pl.lit(EVENT)).otherwise(pl.lit(DUPLICATE)).alias("outcome")).drop("row")


def counting(settings: Settings, validator: Validator, received: Sequence[tuple[datetime, int, bytes]]) -> pl.DataFrame:
    """The events that count among archived ones: time (UTC), digest and payload of each."""
    validated = [
        validator.validate_archived([payload], at).with_columns(pl.lit(digest, pl.UInt64).alias("digest"))
        for at, digest, payload in received
    ]
    if not validated:
        return pl.DataFrame(schema=validator.schema)
    events = pl.concat(validated).filter(pl.col("reject").is_null())
    minutes = {at.replace(second=0, microsecond=0) for at, _, _ in received}
    passed = archive_sink.passed_over(settings, product(minutes, range(cassandra.SHARDS)))
    return events.join(passed, on=["event_id", "digest"], how="anti")


def count(settings: Settings, cursor: Any, good: pl.DataFrame, held: Mapping[str, Sequence[Held]]) -> None:
    """Counts the new events among `good` in all tables, and notes what is held and what is under way, in the caller's
    transaction."""
    new = good.filter(pl.col("outcome") == EVENT)
    merged = [aggregate.rows_of(table, new) for table in aggregate.domain_tables(settings.domain)]
    with hours.kept_right(cursor, merged):
        for table, rows in merged:
            merge_rows(cursor, table, rows)
    # Below those of micro-batches, and of rebuilds (-1).
    cursor.execute("SELECT LEAST(COALESCE(MIN(batch_id), 0), -1) - 1 FROM seen_ids")
    [batch_id] = cursor.fetchone()
    hold(cursor, batch_id, held)
    cursor.executemany(
        "INSERT INTO replays_under_way (kafka_partition, kafka_offset, outcome) VALUES (%s, %s, %s)",
        good.select("partition", "offset", "outcome").rows(),
    )
    cursor.execute(
        "UPDATE checkpoints SET aggregated = aggregated + %s, duplicates = duplicates + %s, rejected = rejected - %s "
        "WHERE query = %s",
        (new.height, good.height - new.height, good.height, QUERY),
    )


def close(settings: Settings, connection: Any, good: pl.DataFrame) -> None:
    """Writes events to Cassandra, each with the mark that its letter is closed, and deletes the notes of them.

    Of a duplicate the mark is enough: what counted stays as it was received. What was proven of the hours is not so any
    more.
    """
    replayed_at = datetime.now(UTC)
    minutes = good["minute"].dt.replace_time_zone("UTC")
    archive_sink.forget_proven(settings, [*minutes.unique(), *good["appended_at"].unique()])
    for outcome, archives in {EVENT: domains.raw_tables(settings.domain), DUPLICATE: ()}.items():
        some = good.filter(pl.col("outcome") == outcome)
        marks = [(*place, outcome, replayed_at) for place in some.select("partition", "offset").rows()]
        archive_sink.write_marked(settings, archives, some, MARK, marks)
    with mysql.transaction(connection) as cursor:
        cursor.executemany(
            "DELETE FROM replays_under_way WHERE kafka_partition = %s AND kafka_offset = %s",
            good.select("partition", "offset").rows(),
        )


def settle(settings: Settings) -> None:
    """Gives Cassandra what a replay that was killed has counted in MySQL. Raises ReplayRefused."""
    with mysql.connected(settings, "spark", settings.domain) as connection:
        under_way: Mapping[Place, str] = {
            (partition, offset): outcome
            for partition, offset, outcome in mysql.query(connection, "SELECT * FROM replays_under_way")
        }
        if not under_way:
            return
        log.info("settling %d dead letters of a replay that was interrupted", len(under_way))
        some = [letter for letter in letters(settings) if letter[0].place in under_way]
        good = good_ones(validator_of(settings), some)
        if good.height < len(under_way):
            raise ReplayRefused(
                f"an interrupted replay has counted {len(under_way)} dead letters in MySQL, of which "
                f"{len(under_way) - good.height} are rejected now: take back what was changed since"
            )
        outcome = [under_way[place] for place in good.select("partition", "offset").rows()]
        close(settings, connection, good.with_columns(pl.Series("outcome", outcome, dtype=pl.String)))
