"""Where prices are at every minute: a function of the minute alone, so that a market that is started again goes on as
if it had not stopped, and a week that has passed can be told.

Returns have what those of real markets have: they are uncorrelated, have fat tails (Student's t with 5 degrees of
freedom), and their size comes in clusters, for hours and for days. The last is the Markov-switching multifractal model
of Calvet and Fisher (2004): the variance is a product of factors that change every few minutes, every few hours, every
few days. Pairs share a part of it all with the market. Over weeks prices return to where they began.
"""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import accumulate
from math import exp, pi, prod, sin, sqrt
from typing import NamedTuple

from producer.domains.market.pairs import PAIRS, Pair

MINUTE_MS = 60_000
MINUTES_A_DAY = 1_440
DAYS_A_YEAR = 365
DEGREES = 5
FACTOR_MINUTES = (10, 40, 160, 640, 2_560, 10_240)
"""How long the factors of the variance last. Every second one is the market's, the others a pair's own."""
CALM, WILD = 0.6, 1.4
"""What a factor is: in the mean 1."""
KEPT_A_DAY = 0.98
"""Of the distance from where a price began so much is left a day later."""
DAYS_THAT_MATTER = 300
BUSIER_BY = 0.35
"""By so much more than in the mean is traded at the busiest time of day."""
BUSIEST_HOUR = 15
WHIM = 0.4
"""How much more or less is traded from minute to minute: standard deviation of its logarithm."""
DAYS_KEPT = 2 * len(PAIRS)
"""So many days of single pairs are kept in memory: of each pair the one that is told, and the one before."""


class Minute(NamedTuple):
    """A minute of a pair: logarithms of the prices at its beginning and its end, the standard deviation of its return,
    and how much is traded, in the mean over a day 1."""

    opens: float
    closes: float
    deviation: float
    activity: float


def dice(*about: object) -> random.Random:
    """Random numbers that are the same whenever it is asked."""
    return random.Random(" ".join(map(str, about)))  # noqa: S311 - nothing here is a secret


def student(rng: random.Random) -> float:
    """Of Student's t, with variance 1."""
    return rng.gauss() / sqrt(rng.gammavariate(DEGREES / 2, 2) / (DEGREES - 2))


@lru_cache(maxsize=65_536)
def of_day(who: str, day: int) -> float:
    """What pushes a price on a day, with variance 1."""
    return dice(who, day).gauss()


def level(pair: Pair, day: int) -> float:
    """Where the logarithm of the price is as a day begins."""
    own = sqrt(1 - pair.beta**2)
    pushed = (
        KEPT_A_DAY**ago * (pair.beta * of_day("market", day - ago) + own * of_day(pair.symbol, day - ago))
        for ago in range(1, DAYS_THAT_MATTER)
    )
    return pair.log_price + pair.volatility / sqrt(DAYS_A_YEAR) * sum(pushed)


@lru_cache(maxsize=4_096)
def is_wild(who: str, factor: int, period: int) -> bool:
    return dice(who, "factor", factor, period).random() < 0.5


def variance(pair: Pair, minute: int) -> float:
    """Of a minute's return, in the mean 1."""
    return prod(
        WILD if is_wild("market" if factor % 2 else pair.symbol, factor, minute // minutes) else CALM
        for factor, minutes in enumerate(FACTOR_MINUTES)
    )


@lru_cache(maxsize=4)
def market_returns(day: int) -> list[float]:
    rng = dice("market returns", day)
    return [student(rng) for _ in range(MINUTES_A_DAY)]


def season(minute: int) -> float:
    """How busy it is at a time of day, in the mean 1."""
    return 1 + BUSIER_BY * sin(2 * pi * (minute % MINUTES_A_DAY / MINUTES_A_DAY - (BUSIEST_HOUR - 6) / 24))


@lru_cache(DAYS_KEPT)
def minutes_of(pair: Pair, day: int) -> list[Minute]:
    """The minutes of a day, counted since the epoch, without what is out of the ordinary (producer.domains.market.
    extremes)."""
    rng, first = dice(pair.symbol, "returns", day), day * MINUTES_A_DAY
    usual = pair.volatility / sqrt(DAYS_A_YEAR * MINUTES_A_DAY)
    own = sqrt(1 - pair.beta**2)
    variances = [variance(pair, first + number) for number in range(MINUTES_A_DAY)]
    deviations = [usual * sqrt(each) for each in variances]
    returns = [
        deviation * (pair.beta * common + own * student(rng))
        for deviation, common in zip(deviations, market_returns(day), strict=True)
    ]
    begins = level(pair, day)
    # The day ends where the next one begins: what is missing to that is spread over all minutes.
    missing = (level(pair, day + 1) - begins - sum(returns)) / MINUTES_A_DAY
    levels = list(accumulate((each + missing for each in returns), initial=begins))
    whims = dice(pair.symbol, "whims", day)
    activities = [
        deviation * season(first + number) * whims.lognormvariate(0, WHIM)
        for number, deviation in enumerate(deviations)
    ]
    mean = sum(activities) / MINUTES_A_DAY
    return [
        Minute(levels[number], levels[number + 1], deviation, activities[number] / mean)
        for number, deviation in enumerate(deviations)
    ]


def at(pair: Pair, minute: int) -> Minute:
    """A minute, counted since the epoch."""
    day, number = divmod(minute, MINUTES_A_DAY)
    return minutes_of(pair, day)[number]


def in_steps(pair: Pair, log_price: float) -> int:
    """A price in the pair's steps, at least one."""
    return max(1, round(exp(log_price) * 10**pair.price_decimals))
