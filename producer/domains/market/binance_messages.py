"""What Binance's streams and its REST interface say, as events of the contract. No clock, no network.

The messages: https://github.com/binance/binance-spot-api-docs. Prices and quantities come as decimal numbers in texts,
and become integers of 1e-8 without a float in between.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

import contracts
from producer.domains.market.events import event
from producer.domains.market.pairs import E8, SYMBOLS
from producer.domains.market.prices import MINUTE_MS
from producer.records import Event, rfc3339

VENUE = uuid5(NAMESPACE_URL, "https://www.binance.com")
"""A part of every event's id."""
DECIMAL = re.compile(r"(-?[0-9]{1,20})(?:\.([0-9]{1,20}))?")
LATEST_MS = 10**14
"""No time is later, so that each can be written down."""
STREAMS = ("trade", "ticker", "kline_1m")
INTERVAL = "1m"


class Unreadable(ValueError):  # noqa: N818 - it is a message's fault, not ours
    """A message is none of those that are known, or says what an event of the contract can't."""


class Report(NamedTuple):
    """An event, and its number: trades are numbered one by one, klines by minute, tickers by time in milliseconds."""

    number: int
    event: Event

    @property
    def name(self) -> str:
        return self.event.fields["event_name"]

    @property
    def symbol(self) -> str:
        return self.event.fields["symbol"]


OF_TRADE = {"symbol": "s", "number": "t", "price": "p", "quantity": "q", "at_ms": "T", "maker_buys": "m"}
OF_SPAN = {"opens": "o", "high": "h", "low": "l", "closes": "c", "volume": "v", "quote": "q", "trades": "n"}
OF_TICKER = {"at_ms": "E", "symbol": "s", "opened_ms": "O", "change": "p", "percent": "P"}
OF_CANDLE = {"opened_ms": "t", "interval": "i", "bought": "Q", "is_closed": "x"}
OF_PAST_TRADE = {"number": "id", "quantity": "qty", "at_ms": "time", "maker_buys": "isBuyerMaker"}


class Trade(Struct, tag_field="e", tag="trade", rename=OF_TRADE):
    symbol: str
    number: int
    price: str
    quantity: str
    at_ms: int
    maker_buys: bool


class Span(Struct, rename=OF_SPAN):
    """What is told of a minute, and of a day."""

    opens: str
    high: str
    low: str
    closes: str
    volume: str
    quote: str
    trades: int


class Ticker(Span, tag_field="e", tag="24hrTicker", rename=OF_TICKER):
    symbol: str
    at_ms: int
    opened_ms: int
    change: str
    percent: str


class Candle(Span, rename=OF_CANDLE):
    opened_ms: int
    interval: str
    bought: str
    is_closed: bool


class Kline(Struct, tag_field="e", tag="kline", rename={"symbol": "s", "at_ms": "E", "candle": "k"}):
    symbol: str
    at_ms: int
    candle: Candle


class Message(Struct):
    stream: str
    data: Trade | Ticker | Kline


class PastTrade(Struct, rename=OF_PAST_TRADE):
    """A trade as REST tells it."""

    number: int
    price: str
    quantity: str
    at_ms: int
    maker_buys: bool


class PastCandle(Struct, array_like=True):
    """A candle as REST tells it: a list, of which the rest does not matter."""

    opened_ms: int
    opens: str
    high: str
    low: str
    closes: str
    volume: str
    closed_ms: int
    quote: str
    trades: int
    bought_volume: str
    bought: str


MESSAGE = msgspec.json.Decoder(Message)


def read(message: bytes) -> Report | None:
    """What a message of the combined stream reports; None where that is nothing: a candle that is not closed, an answer
    to a request. Raises Unreadable."""
    try:
        data = MESSAGE.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _is_of_the_connection(message):
            return None
        raise Unreadable(str(error)) from None
    match data.data:
        case Trade() as trade:
            return trade_of(trade.symbol, trade)
        case Ticker() as ticker:
            return _ticker_of(ticker)
        case Kline() as kline if kline.candle.interval != INTERVAL:
            raise Unreadable(f"a candle of {kline.candle.interval}")
        case Kline() as kline:
            return kline_of(kline.symbol, kline.candle, kline.at_ms) if kline.candle.is_closed else None


def _is_of_the_connection(message: bytes) -> bool:
    """Whether it is about the connection, and not of a stream: an answer to a request, or that the server will end."""
    try:
        fields = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(fields, dict) and (fields.keys() == {"result", "id"} or fields.get("e") == "serverShutdown")


def trade_of(symbol: str, trade: Trade | PastTrade) -> Report:
    """Raises Unreadable."""
    price, quantity = scaled(trade.price), scaled(trade.quantity)
    fields = {
        "trade_id": trade.number,
        "price_e8": price,
        "quantity_e8": quantity,
        "quote_e8": (price * quantity + 10**E8 // 2) // 10**E8,
        "taker": "sell" if trade.maker_buys else "buy",
    }
    return _report("trade", symbol, trade.number, trade.at_ms, fields)


def kline_of(symbol: str, candle: Candle | PastCandle, at_ms: int) -> Report:
    """A candle that is closed, told at a time. Raises Unreadable."""
    minute, rest_ms = divmod(candle.opened_ms, MINUTE_MS)
    if rest_ms:
        raise Unreadable(f"a candle that begins within a minute, at {candle.opened_ms}")
    return _report("kline", symbol, minute, at_ms, _span(candle) | {"taker_buy_quote_e8": scaled(candle.bought)})


def _ticker_of(ticker: Ticker) -> Report:
    changed = {"change_e8": scaled(ticker.change), "change_percent_e3": scaled(ticker.percent, 3)}
    return _report("ticker", ticker.symbol, ticker.at_ms, ticker.at_ms, _span(ticker) | changed)


def _span(told: Ticker | Candle | PastCandle) -> dict[str, Any]:
    """What is told of a minute, and of a day."""
    _check_time(told.opened_ms)
    return {
        "opened_at": rfc3339(told.opened_ms),
        "open_e8": scaled(told.opens),
        "high_e8": scaled(told.high),
        "low_e8": scaled(told.low),
        "close_e8": scaled(told.closes),
        "trades": told.trades,
        "quote_volume_e8": scaled(told.quote),
        "volume_e8": scaled(told.volume),
    }


def _report(name: str, symbol: str, number: int, at_ms: int, fields: dict[str, Any]) -> Report:
    if symbol not in SYMBOLS:
        raise Unreadable(f"{symbol!r} is none of the pairs")
    _check_time(at_ms)
    _check(fields)
    return Report(number, event(VENUE, symbol, name, number, at_ms, fields))


def numbered(fields: dict[str, Any]) -> int:
    """The number of an event of these fields, as in Report."""
    match fields["event_name"]:
        case "trade":
            return fields["trade_id"]
        case "kline":
            return epoch_ms(fields["opened_at"]) // MINUTE_MS
        case _:
            return epoch_ms(fields["occurred_at"])


def epoch_ms(text: str) -> int:
    """A time as rfc3339 writes it."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def scaled(text: str, decimals: int = E8) -> int:
    """A decimal number as an integer of 1e-`decimals`, exactly. Raises Unreadable."""
    found = DECIMAL.fullmatch(text)
    fraction = (found[2] or "").rstrip("0") if found else ""
    if not found or len(fraction) > decimals:
        raise Unreadable(f"{text[:80]!r} is no number of at most {decimals} decimals")
    return int(found[1] + fraction.ljust(decimals, "0"))


def _check_time(at_ms: int) -> None:
    if not 0 <= at_ms < LATEST_MS:
        raise Unreadable(f"{at_ms} is no time")


@cache
def _limited() -> list[contracts.Field]:
    return [field for field in contracts.load("market").fields if field.minimum is not None]


def _check(fields: dict[str, Any]) -> None:
    """An event counts once it is sent: it must be one that the pipeline takes. Raises Unreadable for any other, and
    leaves out what the pipeline would leave out."""
    for field in _limited():
        value = fields.get(field.name)
        if value is None or field.minimum <= value <= field.maximum:
            continue
        if field.critical:
            raise Unreadable(f"{field.name} is {value}: {field.minimum} to {field.maximum} are allowed")
        del fields[field.name]
    if "low_e8" in fields and not all(
        fields["low_e8"] <= fields[name] <= fields["high_e8"] for name in ("open_e8", "close_e8")
    ):
        raise Unreadable("first and last price do not lie between the lowest and the highest")
