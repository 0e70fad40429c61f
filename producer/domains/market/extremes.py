"""What is out of the ordinary in the simulated market: flash crashes, fat fingers and feeds that stand still.

When is fixed by the time alone, so that whoever wants to know what there should be to find can ask for it.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log
from typing import NamedTuple

from producer.domains.market.pairs import PAIRS, Pair
from producer.domains.market.prices import Minute, dice

CRASH_EVERY_MINUTES = 720
"""In each such time there is one flash crash, of one pair."""
FALLS_MINUTES, RECOVERS_MINUTES, LASTS_MINUTES = 3, 5.0, 18
DEPTH = log(1 - 0.09)
"""The price is 9 % lower after FALLS_MINUTES; RECOVERS_MINUTES later a third of that is left."""
BUSIER_IN_A_CRASH = 5.0
FAT_FINGER_EVERY_MINUTES = 60
FAT_FINGER = 0.10
"""One trade in each such time is so far off."""
STALE_EVERY_MINUTES = 180
STALE_MINUTES = 3


class Extreme(NamedTuple):
    """What happens to a pair from a minute on, counted since the epoch."""

    symbol: str
    minute: int


def _in_period(what: str, every: int, lasts: int, period: int) -> Extreme:
    rng = dice(what, period)
    return Extreme(rng.choice(PAIRS).symbol, period * every + rng.randrange(every - lasts))


@lru_cache(maxsize=1_024)
def crash(period: int) -> Extreme:
    """The flash crash of a period of CRASH_EVERY_MINUTES since the epoch."""
    return _in_period("crash", CRASH_EVERY_MINUTES, LASTS_MINUTES, period)


@lru_cache(maxsize=1_024)
def fat_finger(period: int) -> Extreme:
    """The minute in whose middle one trade is far off, of a period of FAT_FINGER_EVERY_MINUTES since the epoch."""
    return _in_period("fat finger", FAT_FINGER_EVERY_MINUTES, 1, period)


@lru_cache(maxsize=1_024)
def stale(period: int) -> Extreme:
    """From when on a feed stands still for STALE_MINUTES, of a period of STALE_EVERY_MINUTES since the epoch."""
    return _in_period("stale", STALE_EVERY_MINUTES, STALE_MINUTES + 1, period)


def is_stale(symbol: str, minute: int) -> bool:
    found = stale(minute // STALE_EVERY_MINUTES)
    return found.symbol == symbol and 0 <= minute - found.minute < STALE_MINUTES


def fat_finger_in(pair: Pair, minute: int) -> bool:
    return fat_finger(minute // FAT_FINGER_EVERY_MINUTES) == (pair.symbol, minute)


def depth(minutes: float) -> float:
    """How much lower the logarithm of a price is so many minutes after a crash has begun."""
    if minutes <= 0 or minutes >= LASTS_MINUTES:
        return 0.0
    return DEPTH * (
        minutes / FALLS_MINUTES if minutes < FALLS_MINUTES else exp((FALLS_MINUTES - minutes) / RECOVERS_MINUTES)
    )


def with_crash(pair: Pair, minute: int, usual: Minute) -> Minute:
    """A minute of a pair with what a flash crash makes of it."""
    found = crash(minute // CRASH_EVERY_MINUTES)
    since = minute - found.minute
    if found.symbol != pair.symbol or not 0 <= since < LASTS_MINUTES:
        return usual
    return Minute(
        usual.opens + depth(since),
        usual.closes + depth(since + 1),
        2 * usual.deviation,
        BUSIER_IN_A_CRASH * usual.activity,
    )
