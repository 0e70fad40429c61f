"""The ids that were counted: which events of a micro-batch are new, exactly.

An id is held with the minute in which its event occurred and a digest of what was received, which tells a copy from
another event under the same id. The contract bounds how late an event may arrive: a minute can be forgotten once
nothing that occurred in it can arrive any more. Spark's own dropDuplicatesWithinWatermark is not used because it walks
through all its keys in every micro-batch (0.5 s per million on two cores), while here a lookup is a binary search in
the sorted ids of one minute, and some looks into Bloom filters for all the others. 26 bytes an event are held, for as
long as the bound says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

import numpy as np
import polars as pl

ID_BYTES = 16
DIGEST_BYTES = 8
SLAB_MINUTES = 20
"""Minutes that share a filter. Each filter is a look more for an event that is new, each minute a search more where
it says perhaps."""
SMALLEST_FILTER = 1 << 16
BITS_PER_ID = 16
UNKNOWN = 0
"""The digest of an event that was counted before digests were kept: it is taken for that of any copy."""

EVENT, COPY, CONFLICT = "event", "copy", "conflict"
"""What an event is: new; received as it was before; or other than what was received under its id."""


def digests(values: Iterable[bytes]) -> np.ndarray:
    """What tells each event as it was received from every other one under the same id, as unsigned integers."""
    joined = b"".join([blake2b(value, digest_size=DIGEST_BYTES).digest() for value in values])
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64)


def _array(ids: pl.Series | bytes) -> np.ndarray:
    """Ids as a NumPy array of 16-byte strings. NumPy compares these without their trailing zero bytes, which tells
    any two of equal length apart all the same."""
    joined = ids if isinstance(ids, bytes) else b"".join(ids)
    return np.frombuffer(joined, dtype=f"S{ID_BYTES}")


class Filter:
    """A Bloom filter of ids: never wrong where it says no, and in a few of a hundred cases where it says perhaps.

    The bits of an id lie in one word of 64, so that a lookup touches memory once.
    """

    def __init__(self, capacity: int) -> None:
        self.words = np.zeros(capacity * BITS_PER_ID // 64, dtype=np.uint64)
        self.room, self.taken = capacity, 0

    def add(self, hashes: np.ndarray) -> None:
        np.bitwise_or.at(self.words, *self._bits(hashes))
        self.room, self.taken = self.room - len(hashes), self.taken + len(hashes)

    def perhaps(self, hashes: np.ndarray) -> np.ndarray:
        places, bits = self._bits(hashes)
        return self.words[places] & bits == bits

    def _bits(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bits = np.zeros(len(hashes), dtype=np.uint64)
        for shift in (0, 6, 12, 18):
            bits |= np.uint64(1) << (hashes >> np.uint64(shift) & np.uint64(63))
        return (hashes >> np.uint64(24)) % np.uint64(len(self.words)), bits


def hashes_of(ids: np.ndarray) -> np.ndarray:
    """64 bits of each id in which neighbours differ by half: ids may be counted up, or begin with the time."""
    first, second = ids.view(np.uint64).reshape(-1, 2).T
    return _mixed(_mixed(first) + second)


def _mixed(bits: np.ndarray) -> np.ndarray:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014)."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ bits >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ bits >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return bits ^ bits >> np.uint64(31)


@dataclass
class Minute:
    """The ids of one minute, sorted, and the digests of their events."""

    ids: np.ndarray
    digests: np.ndarray

    def find(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of these are here, as booleans, and the digests of those."""
        places = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        here = self.ids[places] == ids
        return here, self.digests[places[here]]

    def with_more(self, ids: np.ndarray, digests: np.ndarray) -> Minute:
        places = np.searchsorted(self.ids, ids)
        return Minute(np.insert(self.ids, places, ids), np.insert(self.digests, places, digests))


class SeenIds:
    """The ids of the events that were counted, by minute of occurrence (naive, UTC)."""

    def __init__(self) -> None:
        self.minutes: dict[datetime, Minute] = {}
        self.filters: dict[datetime, list[Filter]] = {}

    def __len__(self) -> int:
        return sum(len(minute.ids) for minute in self.minutes.values())

    def held_in(self, minute: datetime) -> int:
        """How many ids of a minute are held."""
        return len(self.minutes[minute].ids) if minute in self.minutes else 0

    def outcomes(self, events: pl.DataFrame) -> pl.Series:
        """What each event (columns minute, event_id, digest) is, in the order in which they came: EVENT, COPY or
        CONFLICT.

        Changes nothing: `add` the new ones once they are committed.
        """
        counted = self._counted(events)
        first = events["event_id"].is_first_distinct()
        if not first.all():  # those that follow one with their id in the frame are held against that, if it is new
            firsts = events.filter(first).select("event_id", pl.col("digest").alias("of_first"))
            of_first = events.select("event_id").join(firsts, on="event_id", how="left", maintain_order="left")
            counted = pl.select(
                pl.when(counted.is_null() & ~first).then(of_first["of_first"]).otherwise(counted)
            ).to_series()
        same = (counted == events["digest"]) | (counted == UNKNOWN)
        return pl.select(
            pl.when(counted.is_null()).then(pl.lit(EVENT)).when(same).then(pl.lit(COPY)).otherwise(pl.lit(CONFLICT))
        ).to_series()

    def holds(self, events: pl.DataFrame) -> pl.Series:
        """Whether each event (columns minute, event_id, digest) was counted, in its minute and as it is here."""
        held, digests = np.zeros(events.height, dtype=bool), events["digest"].to_numpy()
        for minute, rows, ids in _by_minute(events):
            if minute in self.minutes:
                here, counted = self.minutes[minute].find(ids)
                held[rows[here]] = (counted == digests[rows[here]]) | (counted == UNKNOWN)
        return pl.Series(held)

    def _counted(self, events: pl.DataFrame) -> pl.Series:
        """The digest under which each event's id was counted, null where it was not."""
        digests, found = np.zeros(events.height, dtype=np.uint64), np.zeros(events.height, dtype=bool)

        def note(minute: Minute, rows: np.ndarray, ids: np.ndarray) -> None:
            here, counted = minute.find(ids)
            digests[rows[here]], found[rows[here]] = counted, True

        for minute, rows, ids in _by_minute(events):
            if minute in self.minutes:
                note(self.minutes[minute], rows, ids)
        elsewhere = np.flatnonzero(~found)
        ids = _array(events["event_id"].gather(elsewhere))
        for slab, candidates in self._perhaps(ids):
            for minute in self._minutes_of(slab):
                note(self.minutes[minute], elsewhere[candidates], ids[candidates])
        return pl.select(pl.when(pl.Series(found)).then(pl.Series(digests))).to_series()

    def _perhaps(self, ids: np.ndarray) -> Iterator[tuple[datetime, np.ndarray]]:
        """Slabs that may have some of these ids, and which, as places."""
        hashes = hashes_of(ids)
        for slab, filters in self.filters.items():
            candidates = np.flatnonzero(np.any([each.perhaps(hashes) for each in filters], axis=0))
            if len(candidates):
                yield slab, candidates

    def _minutes_of(self, slab: datetime) -> Iterable[datetime]:
        return [minute for minute in self.minutes if _slab(minute) == slab]

    def add(self, minute: datetime, ids: bytes, digests: bytes) -> None:
        """Remembers ids (16 bytes each, in one value) of events that occurred in a minute, and their digests (8 bytes
        each, big-endian; UNKNOWN is 0)."""
        added, known = _array(ids), np.frombuffer(digests, dtype=">u8").astype(np.uint64)
        by_id = np.argsort(added)
        added, known = added[by_id], known[by_id]
        self._add_to_filters(_slab(minute), hashes_of(added))
        here = self.minutes.get(minute)
        self.minutes[minute] = here.with_more(added, known) if here else Minute(added, known)

    def _add_to_filters(self, slab: datetime, hashes: np.ndarray) -> None:
        filters = self.filters.setdefault(slab, [])
        if not filters or filters[-1].room < len(hashes):
            before = sum(each.taken for each in self.filters.get(slab - timedelta(minutes=SLAB_MINUTES), ()))
            own = sum(each.taken for each in filters)
            filters.append(Filter(max(SMALLEST_FILTER, len(hashes), own // 2 if filters else before)))
        filters[-1].add(hashes)

    def forget(self, before: datetime) -> None:
        """Forgets the minutes before one (naive, UTC)."""
        for minute in [minute for minute in self.minutes if minute < before]:
            del self.minutes[minute]
        kept = {_slab(minute) for minute in self.minutes}
        self.filters = {slab: filters for slab, filters in self.filters.items() if slab in kept}


def _slab(minute: datetime) -> datetime:
    return minute.replace(minute=minute.minute // SLAB_MINUTES * SLAB_MINUTES)


def _by_minute(events: pl.DataFrame) -> Iterator[tuple[datetime, np.ndarray, np.ndarray]]:
    """Minute, rows and ids of the events of each."""
    for (minute,), group in events.select("minute", "event_id").with_row_index("row").group_by("minute"):
        yield minute, group["row"].to_numpy(), _array(group["event_id"])


def by_minute(events: pl.DataFrame) -> Iterator[tuple[datetime, bytes, bytes]]:
    """The ids and digests of events (columns minute, event_id, digest) as `add` takes them: one value a minute."""
    for (minute,), group in events.group_by("minute"):
        yield minute, b"".join(group["event_id"]), group["digest"].to_numpy().astype(">u8").tobytes()
