"""A market: what an exchange reports of a dozen pairs, simulated or live, and what can go wrong with the events."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import count
from threading import Event as Flag
from typing import Any
from uuid import UUID

import msgspec

from producer.domains.market.extremes import is_stale
from producer.domains.market.feed import TRADES_OF_EVENTS, Feed
from producer.domains.market.live import Live, batches
from producer.domains.market.pairs import PAIRS, SYMBOLS
from producer.domains.market.prices import MINUTE_MS
from producer.domains.market.silence import through_silence
from producer.faults import Damage, changed
from producer.incident import Kind
from producer.publish import Topic
from producer.records import Course, Event, Record, encode, new_uuid
from settings import Settings

INCIDENT = Kind(
    option="symbol",
    choices=SYMBOLS,
    default="BTCUSDT",
    effect="the feed of {} stands still",
)


def events(course: Course) -> Iterator[Event]:
    """What is traded from the start on, in order; endless. Before it come the candles of the time that the course wants
    to be told about. An incident has a feed stand still."""

    def is_silent(symbol: str, at_ms: int) -> bool:
        return is_stale(symbol, at_ms // MINUTE_MS) or course.strikes(symbol, at_ms)

    return through_silence(_undisturbed(course), is_silent)


def feed(settings: Settings, topic: Topic, stop: Flag) -> Iterator[list[Record]] | None:
    """What an exchange reports, where a setting asks for that in place of the simulation."""
    return batches(Live(settings, topic, stop).records()) if settings.market_feed == "binance" else None


def _undisturbed(course: Course) -> Iterator[Event]:
    venue = UUID(new_uuid(course.rng.ids))
    ticker_every_ms = max(1, round(len(PAIRS) * 1000 / (course.rate * (1 - TRADES_OF_EVENTS))))
    feeds = [Feed(pair, course.rng, venue, course.rate, ticker_every_ms, course.start_ms) for pair in PAIRS]
    first = course.start_ms // MINUTE_MS
    for minute in range(first - course.history_ms // MINUTE_MS, first):
        yield from (feed.kline(course.start_ms, feed.past(minute)) for feed in feeds)
    for minute in count(first):
        told = [event for feed in feeds for event in feed.minute(minute)]
        for event in sorted(told, key=lambda event: event.occurred_ms):
            if event.occurred_ms >= course.start_ms:
                yield event


def _quote_mismatch(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode(fields | {"quote_e8": fields["quote_e8"] * 2 + 1_000})


def _without_symbol(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode({name: value for name, value in fields.items() if name != "symbol"})


DAMAGE: dict[str, Damage] = {
    "injected_symbol": changed(symbol="BTC'); DROP TABLE candles_by_minute; --"),
    "without_symbol": _without_symbol,
}
DAMAGE_OF_TRADES = DAMAGE | {
    "negative_price": changed(price_e8=-1),
    "price_of_a_float": changed(price_e8=68_000.5),
    "huge_quantity": changed(quantity_e8=msgspec.Raw(b"1" + b"0" * 40)),
    "quote_mismatch": _quote_mismatch,
}
DAMAGE_OF_SPANS = DAMAGE | {"low_above_high": changed(low_e8=10**15)}


def damage(fields: Mapping[str, Any]) -> Mapping[str, Damage]:
    return DAMAGE_OF_TRADES if fields["event_name"] == "trade" else DAMAGE_OF_SPANS
