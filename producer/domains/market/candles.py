"""What is left of a minute's trades: its candle."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import exp, sqrt
from typing import NamedTuple

from producer.domains.market import extremes, prices
from producer.domains.market.pairs import Pair
from producer.domains.market.prices import MINUTES_A_DAY, in_steps

MEAN_PAID = 400.0
"""Of a trade, in the quote currency."""
WICK = 0.6
"""How far a past minute's prices go beyond its first and last one: standard deviation, in that of its return."""
BOUGHT, SPREAD_OF_BOUGHT = 0.5, 0.1
"""The part of what was paid in a past minute that takers paid who bought."""


class Candle(NamedTuple):
    """A minute, its amounts in the integers of the contract; `opened` is counted in minutes since the epoch."""

    opened: int
    opens: int
    high: int
    low: int
    closes: int
    trades: int = 0
    quote: int = 0
    quantity: int = 0
    bought: int = 0

    def and_trade(self, price: int, quote: int, quantity: int, buys: bool) -> Candle:
        opens, high, low = (self.opens, max(self.high, price), min(self.low, price)) if self.trades else (price,) * 3
        bought = self.bought + buys * quote
        return Candle(
            self.opened, opens, high, low, price, self.trades + 1, self.quote + quote, self.quantity + quantity, bought
        )


def together(candles: Iterable[Candle]) -> Candle:
    """Candles in order as one."""
    first, *others = candles
    every, last = (first, *others), (others or [first])[-1]
    return Candle(
        first.opened,
        first.opens,
        max(each.high for each in every),
        min(each.low for each in every),
        last.closes,
        *(sum(figures) for figures in zip(*(each[-4:] for each in every), strict=True)),
    )


@lru_cache(prices.DAYS_KEPT)
def of_day(pair: Pair, trades_a_minute: float, day: int) -> list[Candle]:
    """The candles of a day that nobody has followed, as the exchange knows them."""
    rng, candles = prices.dice(pair.symbol, "candles", day), []
    for minute in range(day * MINUTES_A_DAY, (day + 1) * MINUTES_A_DAY):
        now = extremes.with_crash(pair, minute, prices.at(pair, minute))
        up, down = (abs(rng.gauss(0, WICK)) * now.deviation for _ in range(2))
        levels = now.opens, max(now.opens, now.closes) + up, min(now.opens, now.closes) - down, now.closes
        steps = [in_steps(pair, level) for level in levels]
        mean = trades_a_minute * now.activity
        trades = max(1, round(rng.gauss(mean, sqrt(mean))))
        quantity = max(1, round(trades * MEAN_PAID / exp(now.closes) * 10**pair.quantity_decimals))
        quote = pair.quote_e8(steps[-1], quantity)
        bought = round(quote * min(max(rng.gauss(BOUGHT, SPREAD_OF_BOUGHT), 0.0), 1.0))
        candles.append(Candle(minute, *map(pair.price_e8, steps), trades, quote, pair.quantity_e8(quantity), bought))
    return candles


def past(pair: Pair, trades_a_minute: float, minute: int) -> Candle:
    """The candle of a minute, counted since the epoch, that nobody has followed."""
    day, number = divmod(minute, MINUTES_A_DAY)
    return of_day(pair, trades_a_minute, day)[number]
