"""Which hours are looked at in Cassandra and the dead letter, and which were proven before.

An hour is sealed when nothing that occurred in it is accepted any more, and both queries are past what was. What was
proven of a sealed hour stays so, until dead letters are replayed that it has to do with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts import Contract
from stores.hour import HOUR, hour_of, hours
from stores.proven_hours import ProvenHour
from stores.time_to_live import TimeToLive, is_kept

CLOCKS_DIFFER = timedelta(minutes=5)
"""By less than this: the broker's, by which events are too late, and ours."""


@dataclass(frozen=True)
class Hours:
    """All hours since the first record (UTC): those that were proven, those to look at, in order, and those of which
    neither can be said, since their events have expired."""

    proven: Mapping[datetime, ProvenHour]
    to_look_at: Sequence[datetime]
    expired: frozenset[datetime]

    @property
    def since(self) -> datetime:
        """The first one to look at."""
        return self.to_look_at[0]


def told_apart(
    proven: Mapping[datetime, ProvenHour],
    busy: Set[datetime],
    lives: Sequence[TimeToLive],
    contract: Contract,
    now: datetime,
    everything: bool = False,
) -> Hours:
    """The hours from the first one that is proven or `busy` (what occurred in it counts) up to the one that is not
    over; `everything` that is kept is looked at.

    What came beside the first event and was passed over may have occurred before it, as long as the contract lets it.
    """
    last = hour_of(now + contract.max_future + CLOCKS_DIFFER)
    first = hour_of(min([*busy, last]) - contract.max_late - contract.max_future)
    every = list(hours(min([*proven, first]), last))
    kept = {hour for hour in every if is_kept(hour, lives, now)}
    stays = {hour: each for hour, each in proven.items() if hour < last and not (everything and hour in kept)}
    left = [hour for hour in every if hour not in stays]
    return Hours(stays, [hour for hour in left if hour in kept], frozenset(busy).intersection(left) - kept)


def is_sealed(hour: datetime, contract: Contract, now: datetime) -> bool:
    """Whether nothing that is sent from `now` on can change an hour."""
    return hour + HOUR + contract.max_late + CLOCKS_DIFFER <= now
