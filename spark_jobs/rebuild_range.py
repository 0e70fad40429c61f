"""Recomputes a range of MySQL's rows from Cassandra while the stream goes on, and swaps them in, in one transaction.

What counts is what MySQL says it has counted: the archive may be ahead of the aggregates. So:

1. the ids counted so far are read and, when the archive has them all, the rows of the range are computed of these
   events, beside the stream;
2. a transaction holds the aggregates' checkpoint, so that no micro-batch can count meanwhile; the ids that were counted
   since are read, and their events merged into the rows, by the same rules; the old rows of the range are deleted, the
   new ones put in, and whoever reads sees the ones or the others.

Ids are forgotten when none of their minute can come any more: from then on everything that is archived has counted.

Of a table that is not of minutes, as that of sessions, the rows with an event in the range are recomputed as a whole:
their other events are looked for around the range, as far as there is one in every `LONGEST_GAP`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

import contracts
from settings import Settings
from spark_jobs import aggregate, domains, rollup
from spark_jobs.lag import LagMeter
from spark_jobs.merge import Table, combine
from spark_jobs.rebuild import validated_partition
from spark_jobs.seen import SeenIds
from spark_jobs.sinks import hours
from spark_jobs.sinks.mysql import QUERY, SEEN_IDS, MySQLSink, merge_rows, now
from stores import cassandra, coverage, mysql, progress
from stores.hour import HOUR, MINUTE, minutes
from stores.offsets import Offsets, from_json
from stores.replayed import closed
from stores.retry import Unavailable, retry

log = logging.getLogger(__name__)

LONGEST_GAP = timedelta(minutes=30)
"""Between two events of a row whose table is not of minutes: a visit ends after as long without an event."""
ARCHIVE_WITHIN_S = 30.0
SWAP_WITHIN_S = 120.0
LARGEST_LAG_MS = 60_000
FORGOTTEN_AFTER = timedelta(minutes=3)
"""Of a minute whose ids are no longer kept for certain, the aggregates, a minute late at most, got the last ones longer
ago than this before they are forgotten."""
LOOK_EVERY_S = 0.1
KEYS_PER_DELETE = 1000


class RangeRefused(RuntimeError):  # noqa: N818 - it says what happened
    """The range can't be recomputed now; the message says why and what to do."""


@dataclass(frozen=True)
class Counted:
    """What MySQL had counted at one moment: the checkpoint's id, the ids, from which minute on they are kept whole
    (`since`; UTC, naive), and how many dead letters were closed."""

    checkpoint_id: str
    seen: SeenIds
    since: datetime
    replayed: int

    def has(self, events: pl.DataFrame) -> pl.Series:
        """Whether each event (columns minute, event_id, digest) has counted, or was passed over as a repeat."""
        return (events["minute"] < self.since) | self.seen.holds(events)

    def grown(self, now_seen: SeenIds) -> dict[datetime, int]:
        """The minutes that have more ids now, and how many."""
        grown = {at: now_seen.held_in(at) - self.seen.held_in(at) for at in now_seen.minutes}
        return {at: more for at, more in grown.items() if more > 0 and at >= self.since}


def minute(text: str) -> datetime:
    """A minute (UTC, naive) as RFC 3339 writes it. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.second or moment.microsecond:
        raise ValueError(f"{text!r} is no whole minute with a time zone; write 2026-11-22T12:00Z")
    return moment.astimezone(UTC).replace(tzinfo=None)


def run(settings: Settings, since: datetime, until: datetime) -> None:
    """Recomputes the rows from `since` up to `until` (whole minutes, UTC, naive). Raises RangeRefused and
    Unavailable."""
    refuse_lag(settings)
    with mysql.connected(settings, "spark", settings.domain) as connection:
        since = max(since, minutes_from(settings, connection))
        if since >= until:
            raise RangeRefused(
                f"there is nothing to recompute by minute from {since} up to {until}: older rows are hours"
            )
        counted = look(settings, connection)
        # Else an event that has counted, and is archived a moment later, would be taken for neither then nor new since.
        retry(lambda: await_archive(settings, reached(connection)), "the archive", SWAP_WITHIN_S)
        events = Events(settings, counted, since, until)
        keys = {table.name: events.keys(table, connection) for table in events.tables if not table.of_minutes}
        for table in events.tables:
            if table.name in keys:
                events.widen(table, keys[table.name])
        retry(lambda: swap(settings, connection, events, keys), "the swap", SWAP_WITHIN_S)
    log.info("recomputed %s up to %s", since, until)


def whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def minutes_from(settings: Settings, connection: Any) -> datetime:
    """The first minute (UTC, naive) whose rows do not become hours meanwhile."""
    with mysql.transaction(connection) as cursor:
        return max(coverage.read(cursor).minutes_from, rollup.ages(settings, now()).minutes + HOUR)


def kept_since(settings: Settings) -> datetime:
    """The first minute (UTC, naive) of which no ids are forgotten yet."""
    contract = contracts.load(settings.domain)
    return whole_minute(now() - contract.max_late - contract.max_future)


def refuse_lag(settings: Settings) -> None:
    """Raises RangeRefused where the aggregates are so late that minutes without ids may still grow."""
    with mysql.connected(settings, "reader", settings.domain) as connection:
        reached = progress.aggregated(connection)
    meter = LagMeter(settings)
    try:
        lag = meter.behind(reached.offsets)
    finally:
        meter.close()
    if lag.ms > LARGEST_LAG_MS:
        raise RangeRefused(f"the aggregates are {lag.ms / 1000:.0f} s behind: wait until they have caught up")


def look(settings: Settings, connection: Any) -> Counted:
    """What has counted now. Raises RangeRefused while a replay is under way."""
    ids = mysql.query(connection, "SELECT checkpoint_id FROM checkpoints WHERE query = %s", (QUERY,))
    [(under_way,)] = mysql.query(connection, "SELECT COUNT(*) FROM replays_under_way")
    if not ids or under_way:
        raise RangeRefused("nothing has counted yet, or a replay is under way: run it again later")
    return Counted(ids[0][0], seen_now(settings), kept_since(settings), len(closed(settings)))


def reached(connection: Any) -> Offsets:
    """The offsets up to which MySQL has counted all that it had counted before."""
    [(offsets,)] = mysql.query(connection, "SELECT offsets FROM checkpoints WHERE query = %s", (QUERY,))
    return from_json(offsets)


def seen_now(settings: Settings) -> SeenIds:
    with closing(MySQLSink(settings)) as sink:
        return sink.seen(SEEN_IDS)


class Events:
    """The events of a range and around it that have counted, read back from the archive."""

    def __init__(self, settings: Settings, counted: Counted, since: datetime, until: datetime) -> None:
        self.counted = counted
        self.since, self.until = since, until
        self.settings = settings
        self.validator = domains.validator(settings.domain)
        self.tables = aggregate.domain_tables(settings.domain)
        self.by_minute = {at: self._counted(at) for at in minutes(since, until)}

    def read(self, at: datetime) -> pl.DataFrame:
        """The archived events of a minute (UTC, naive): validated_partition's columns and minute. Raises
        Unavailable."""
        moment = at.replace(tzinfo=UTC)
        validated = pl.concat(
            validated_partition(self.settings, self.validator, moment, shard) for shard in range(cassandra.SHARDS)
        )
        return aggregate.with_minute(validated.filter(pl.col("reject").is_null()))

    def _counted(self, at: datetime) -> pl.DataFrame:
        events = self.read(at)
        return events.filter(self.counted.has(events) & events["decided"].is_null())

    def of(self, since: datetime, until: datetime) -> pl.DataFrame:
        return pl.concat(self.by_minute[at] for at in minutes(since, until))

    def keys(self, table: Table, connection: Any) -> pl.DataFrame:
        """The keys of a table's rows that have an event in the range, or say that they began in it."""
        rows = mysql.query(
            connection,
            f"SELECT {', '.join(table.key)} FROM {table.name} "  # noqa: S608 - names only
            f"WHERE {table.expires_by} >= %s AND {table.expires_by} < %s",
            (self.since, self.until),
        )
        recomputed = table.rows(self.of(self.since, self.until)).select(table.key)
        said = pl.DataFrame([[*map(bytes_of, row)] for row in rows], schema=recomputed.schema, orient="row")
        return pl.concat([recomputed, said]).unique()

    def widen(self, table: Table, keys: pl.DataFrame) -> None:
        """Reads minutes before and after, as long as there are events of these keys in them."""
        until = now() + self.validator.contract.max_future
        for step in (-MINUTE, MINUTE):
            edge = min(self.by_minute) if step < timedelta(0) else max(self.by_minute)
            found = edge
            while abs(found - edge) < LONGEST_GAP and edge < until:
                edge += step
                if edge not in self.by_minute:
                    self.by_minute[edge] = self._counted(edge)
                if table.rows(self.by_minute[edge]).join(keys, on=table.key, how="semi").height:
                    found = edge

    def counted_since(self, settings: Settings) -> pl.DataFrame:
        """The events from the first minute read on that have counted since then, while nothing more can count.

        Raises Unavailable where the archive does not have all of them yet, and RangeRefused when it is too late to
        tell."""
        kept = [at for at in self.by_minute if at >= self.counted.since]
        if kept and min(kept) < kept_since(settings) - FORGOTTEN_AFTER:
            raise RangeRefused("it took so long that ids were forgotten meanwhile: choose a shorter range")
        now_seen = seen_now(settings)
        found = [self.by_minute[self.since].clear()]
        for at, more in self.counted.grown(now_seen).items():
            if at >= min(self.by_minute):
                events = self.read(at)
                new = events.filter(~self.counted.seen.holds(events) & now_seen.holds(events))
                if new.height != more:
                    raise Unavailable(f"the archive does not have all events of {at} yet")
                found.append(new.filter(pl.col("decided").is_null()))
        return pl.concat(found)


def bytes_of(value: Any) -> Any:
    return bytes(value) if isinstance(value, bytearray) else value


def swap(settings: Settings, connection: Any, events: Events, keys: Mapping[str, pl.DataFrame]) -> None:
    """Puts the recomputed rows in the place of the old ones, in one transaction. Raises RangeRefused and Unavailable.

    `keys`: by name of a table that is not of minutes, the keys of its rows.
    """
    with mysql.transaction(connection) as cursor:
        cursor.execute("SELECT checkpoint_id, offsets FROM checkpoints WHERE query = %s FOR UPDATE", (QUERY,))
        checkpoint_id, offsets = cursor.fetchone()
        if checkpoint_id != events.counted.checkpoint_id or len(closed(settings)) != events.counted.replayed:
            raise RangeRefused("everything was rebuilt, or dead letters were replayed meanwhile: run it again")
        await_archive(settings, from_json(offsets))
        whole = pl.concat([*events.by_minute.values(), events.counted_since(settings)])
        in_range = whole.filter((pl.col("minute") >= events.since) & (pl.col("minute") < events.until))
        of_range = pl.DataFrame({"minute": list(minutes(events.since, events.until))})
        with hours.kept_right(cursor, [(table, keys.get(table.name, of_range)) for table in events.tables]):
            for table in events.tables:
                if table.name in keys:
                    rows = table.rows(whole).join(keys[table.name], on=table.key, how="semi")
                    delete_keys(cursor, table, keys[table.name])
                else:
                    rows = table.rows(in_range)
                    cursor.execute(
                        f"DELETE FROM {table.name} WHERE minute >= %s AND minute < %s",  # noqa: S608 - names only
                        (events.since, events.until),
                    )
                merge_rows(cursor, table, combine(table, rows))


def delete_keys(cursor: Any, table: Table, keys: pl.DataFrame) -> None:
    marks = f"({', '.join(['%s'] * keys.width)})"
    statement = f"DELETE FROM {table.name} WHERE ({', '.join(table.key)}) IN "  # noqa: S608 - names only
    for some in keys.iter_slices(KEYS_PER_DELETE):
        cursor.execute(
            f"{statement}({', '.join([marks] * some.height)})", [value for row in some.rows() for value in row]
        )


def await_archive(settings: Settings, offsets: Offsets) -> None:
    """Waits until Cassandra has all that MySQL has counted. Raises Unavailable when it takes too long."""
    deadline = time.monotonic() + ARCHIVE_WITHIN_S
    with cassandra.connected(settings, "reader", settings.domain) as session:
        while not progress.archived(session).passed(offsets):
            if time.monotonic() > deadline:
                raise Unavailable("the archive is behind the aggregates")
            time.sleep(LOOK_EVERY_S)
