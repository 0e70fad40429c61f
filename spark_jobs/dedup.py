"""Which good events count: one for each id and, where the contract has a business key, one for each of its values.

The first one counts. Which one that was is decided once, by the stream, in the order in which it reads Kafka's
partitions; what it passed over is noted in Cassandra before the others count, so that a rebuild decides the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from contracts import BusinessKey
from spark_jobs.seen import CONFLICT, EVENT, SeenIds, by_minute

REPEAT = "repeat"
"""Beside what seen.py says of an id: the business key is that of an event that counts."""
PASSED_OVER = (CONFLICT, REPEAT)
"""What is archived and does not count. A copy is archived in the place of the event itself."""

Held = tuple[datetime, bytes, bytes]
"""A minute (naive, UTC), ids and digests, as SeenIds.add takes them."""
DECIDED = {"event_id": pl.Binary, "digest": pl.UInt64, "decided": pl.String}


class Dedup:
    """The ids and business keys that were counted, and what was decided before about events that may come once more."""

    def __init__(self, key: BusinessKey | None) -> None:
        self.key = key
        self.ids, self.keys = SeenIds(), SeenIds()
        self.decided = pl.DataFrame(schema=DECIDED)

    def __len__(self) -> int:
        return len(self.ids) + len(self.keys)

    def outcomes(self, events: pl.DataFrame) -> pl.DataFrame:
        """Events (columns minute, event_id, digest, and what the business key names) in the order in which they came,
        with the column `outcome`: EVENT, COPY, CONFLICT or REPEAT.

        Changes nothing: `add` what is new once it is committed.
        """
        decided = self._decided(events)
        open_ = events.filter(decided.is_null())
        open_ = open_.with_columns(self.ids.outcomes(open_).alias("outcome"))
        keyed = self.keyed(open_.with_row_index("row").filter(pl.col("outcome") == EVENT))
        repeats = keyed.filter(self.keys.outcomes(keyed) != EVENT)["row"]
        outcome = open_["outcome"].scatter(repeats, REPEAT)
        places = decided.is_null().arg_true()
        return events.with_columns(decided.scatter(places, outcome).alias("outcome"))

    def _decided(self, events: pl.DataFrame) -> pl.Series:
        """What was decided before about each event that comes as if for the first time; null for nearly all."""
        if self.decided.is_empty():
            return pl.Series([None], dtype=pl.String).new_from_index(0, events.height)
        asked = events.select("minute", "event_id", "digest")
        found = asked.join(self.decided, on=["event_id", "digest"], how="left", maintain_order="left")["decided"]
        rows = found.is_not_null().arg_true()
        known = self.ids.outcomes(asked[rows]) != EVENT
        return found.scatter(rows.filter(known), None)

    def keyed(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events that have a business key, with it in the place of their id."""
        if self.key is None:
            return events.clear()
        having = pl.sql_expr(self.key.where) & pl.col(self.key.field).is_not_null()
        return events.filter(having).with_columns(pl.col(self.key.field).alias("event_id"))

    def new(self, events: pl.DataFrame) -> tuple[list[Held], list[Held]]:
        """The ids and business keys that are held from now on, of events with their `outcome`.

        An event that repeats another one's business key is not counted, but known by its id.
        """
        counted = events.filter(pl.col("outcome") == EVENT)
        known = events.filter(pl.col("outcome").is_in([EVENT, REPEAT]))
        known = known.filter(known["event_id"].is_first_distinct())
        return list(by_minute(known)), list(by_minute(self.keyed(counted)))

    def add(self, ids: Iterable[Held], keys: Iterable[Held]) -> None:
        for held in ids:
            self.ids.add(*held)
        for held in keys:
            self.keys.add(*held)

    def forget(self, before: datetime) -> None:
        """Forgets the minutes before one (naive, UTC)."""
        self.ids.forget(before)
        self.keys.forget(before)
