"""What an exchange reports of a pair: its trades, every minute's candle once it is closed, and the last 24 hours."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from math import exp, log, sqrt
from typing import Any
from uuid import UUID

from producer.domains.market import extremes, prices
from producer.domains.market.candles import MEAN_PAID, Candle, past, together
from producer.domains.market.events import event
from producer.domains.market.pairs import Pair
from producer.domains.market.prices import MINUTE_MS, MINUTES_A_DAY, in_steps
from producer.records import Event, rfc3339

TRADES_OF_EVENTS = 0.95
"""Tickers are the rest, with few klines."""
SPREAD_OF_PAID = 1.2
"""Standard deviation of the logarithm of what is paid in a trade."""
PULL = 0.15
"""How much likelier takers buy in a minute in which the price rises by its deviation."""


def _span(candle: Candle) -> dict[str, Any]:
    """What is told of a minute, and of a day."""
    return {
        "opened_at": rfc3339(candle.opened * MINUTE_MS),
        "open_e8": candle.opens,
        "high_e8": candle.high,
        "low_e8": candle.low,
        "close_e8": candle.closes,
        "trades": candle.trades,
        "quote_volume_e8": candle.quote,
        "volume_e8": candle.quantity,
    }


class Feed:
    """A pair as it goes on, minute by minute."""

    def __init__(self, pair: Pair, rng: random.Random, venue: UUID, rate: float, ticker_every_ms: int, start_ms: int):
        """`rate` is of all events a second, in the mean over a day. `venue` is a part of every event's id."""
        self.pair, self.rng, self.venue = pair, rng, venue
        self.trades_a_minute = rate * 60 * TRADES_OF_EVENTS * pair.share
        self.ticker_every_ms = ticker_every_ms
        self.next_ticker_ms = start_ms + rng.randrange(ticker_every_ms)
        self.trade_id = start_ms * 1_000  # greater than those of all simulations before
        first = start_ms // MINUTE_MS
        self.day = deque((self.past(minute) for minute in range(first - MINUTES_A_DAY, first)), MINUTES_A_DAY)
        """The candles of the last 24 hours."""

    def past(self, minute: int) -> Candle:
        """The candle of a minute before the start, counted since the epoch."""
        return past(self.pair, self.trades_a_minute, minute)

    def minute(self, minute: int) -> list[Event]:
        """What it reports in a minute, in order."""
        now = extremes.with_crash(self.pair, minute, prices.at(self.pair, minute))
        first_ms = minute * MINUTE_MS
        day, last = together(self.day), self.day[-1].closes
        candle, events = Candle(minute, last, last, last, last), []
        for at_ms, log_price, buys in self._course(first_ms, now):
            events += self._tickers(at_ms, day, candle)
            price_steps, quantity_steps = in_steps(self.pair, log_price), self._quantity(log_price)
            trade = self.pair.price_e8(price_steps), self.pair.quote_e8(price_steps, quantity_steps)
            quantity = self.pair.quantity_e8(quantity_steps)
            candle = candle.and_trade(*trade, quantity, buys)
            events.append(self._trade(at_ms, *trade, quantity, buys))
        events += self._tickers(first_ms + MINUTE_MS, day, candle)
        self.day.append(candle)
        return [*events, self.kline(first_ms + MINUTE_MS - 1, candle)]

    def _course(self, first_ms: int, now: prices.Minute) -> Iterator[tuple[int, float, bool]]:
        """Trades of a minute: when, at which price (its logarithm), and whether the taker buys.

        Prices go at random from the minute's first to its last one (a Brownian bridge).
        """
        rng, left_ms, level = self.rng, float(MINUTE_MS), now.opens
        mean_ms = MINUTE_MS / (self.trades_a_minute * now.activity)
        buying = 0.5 + PULL * max(-1.0, min(1.0, (now.closes - now.opens) / now.deviation))
        step = 0.5 * 10**-self.pair.price_decimals / exp(now.opens)
        fat_finger = extremes.fat_finger_in(self.pair, int(first_ms // MINUTE_MS))
        while (gap_ms := rng.expovariate(1 / mean_ms)) < left_ms:
            mean = level + (now.closes - level) * gap_ms / left_ms
            level = mean + now.deviation * sqrt(gap_ms * (left_ms - gap_ms) / left_ms / MINUTE_MS) * rng.gauss()
            left_ms -= gap_ms
            buys = rng.random() < buying
            price = level + (step if buys else -step)
            if fat_finger and left_ms < MINUTE_MS / 2:
                fat_finger, price = False, level + log(1 + (extremes.FAT_FINGER if buys else -extremes.FAT_FINGER))
            yield first_ms + MINUTE_MS - 1 - int(left_ms), price, buys

    def _quantity(self, log_price: float) -> int:
        paid = self.rng.lognormvariate(log(MEAN_PAID) - SPREAD_OF_PAID**2 / 2, SPREAD_OF_PAID)
        return max(1, round(paid / exp(log_price) * 10**self.pair.quantity_decimals))

    def _trade(self, at_ms: int, price: int, quote: int, quantity: int, buys: bool) -> Event:
        self.trade_id += 1
        fields = {
            "trade_id": self.trade_id,
            "price_e8": price,
            "quantity_e8": quantity,
            "quote_e8": quote,
            "taker": "buy" if buys else "sell",
        }
        return self._event("trade", self.trade_id, at_ms, fields)

    def _tickers(self, until_ms: int, day: Candle, candle: Candle) -> list[Event]:
        """Those that are due before a time."""
        found = []
        while self.next_ticker_ms < until_ms:
            found.append(self._ticker(self.next_ticker_ms, together((day, candle))))
            self.next_ticker_ms += self.ticker_every_ms
        return found

    def _ticker(self, at_ms: int, day: Candle) -> Event:
        change = day.closes - day.opens
        changed = {"change_e8": change, "change_percent_e3": round(change * 100_000 / day.opens)}
        return self._event("ticker", at_ms, at_ms, _span(day) | changed)

    def kline(self, at_ms: int, candle: Candle) -> Event:
        """A closed candle, as it is reported at a time."""
        fields = _span(candle) | {"taker_buy_quote_e8": candle.bought}
        return self._event("kline", candle.opened, at_ms, fields)

    def _event(self, name: str, number: int, at_ms: int, fields: dict[str, Any]) -> Event:
        return event(self.venue, self.pair.symbol, name, number, at_ms, fields)
