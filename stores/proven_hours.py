"""What is remembered of hours that were proven: their figures in Cassandra and in the dead letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from cassandra.cluster import Session

from stores.cassandra import outages
from stores.hour import hour_of

ByMinute = Mapping[tuple[datetime, str], tuple[int, int]]
"""(minute in UTC, event name) -> (events, amount)."""


@dataclass(frozen=True)
class ProvenHour:
    """Figures of one hour (its beginning, UTC) that nothing can change any more, but a replay of dead letters.

    - events: archived, by when they occurred, and counted
    - conflicts, repeats: archived and passed over
    - letters: dead letters, by when the broker took the record
    - closed: of them those that were replayed, by their outcome
    - mended: what of the events were dead letters before
    """

    hour: datetime
    events: int
    conflicts: int
    repeats: int
    letters: int
    closed: Mapping[str, int] = field(default_factory=dict)
    mended: ByMinute = field(default_factory=dict)

    @property
    def open_letters(self) -> int:
        return self.letters - sum(self.closed.values())


def read(session: Session) -> dict[datetime, ProvenHour]:
    """Hour -> what was proven of it. Raises Unavailable."""
    with outages():
        rows = session.execute("SELECT hour, events, conflicts, repeats, letters, closed, mended FROM proven_hours")
        found = (
            ProvenHour(row.hour.replace(tzinfo=UTC), *row[1:5], dict(row.closed or {}), from_json(row.mended))
            for row in rows
        )
        return {proven.hour: proven for proven in found}


def remember(session: Session, proven: ProvenHour, now: datetime) -> None:
    """Raises Unavailable."""
    with outages():
        session.execute(
            "INSERT INTO proven_hours (hour, events, conflicts, repeats, letters, closed, mended, proven_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                proven.hour,
                proven.events,
                proven.conflicts,
                proven.repeats,
                proven.letters,
                dict(proven.closed),
                as_json(proven.mended),
                now,
            ),
        )


def forget(session: Session, which: Iterable[datetime]) -> None:
    """Makes hours to be proven anew; any time in an hour (UTC) stands for it. Raises Unavailable."""
    with outages():
        for hour in sorted({hour_of(moment) for moment in which}):
            session.execute("DELETE FROM proven_hours WHERE hour = %s", (hour,))


def as_json(by_minute: ByMinute) -> str | None:
    """None where there is nothing."""
    rows = [(minute, name, *figures) for (minute, name), figures in sorted(by_minute.items())]
    return msgspec.json.encode(rows).decode() if rows else None


def from_json(text: str | None) -> ByMinute:
    rows = msgspec.json.decode(text or "[]", type=list[tuple[datetime, str, int, int]])
    return {(minute, name): (events, cents) for minute, name, events, cents in rows}
