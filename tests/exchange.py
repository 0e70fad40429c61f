"""An exchange for tests: it speaks as Binance's public interfaces do, and misbehaves as a test has it.

What it says follows from a pair and a number alone, so that a test knows what there should be.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import ROUND_HALF_UP, Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

MINUTE_MS = 60_000
E8 = Decimal(10) ** 8
Answer = tuple[int, dict[str, str], Any]
"""Status, headers and content of an answer of REST."""


def price(number: int) -> str:
    return f"{68_000 + number % 977}.{number % 100:02d}000000"


def quantity(number: int) -> str:
    """So that what is paid is no whole number of 1e-8."""
    return f"0.{number * 7919 % 10**8 or 1:08d}"


def paid_e8(number: int) -> int:
    return int((Decimal(price(number)) * Decimal(quantity(number)) * E8).to_integral_value(ROUND_HALF_UP))


def trade(symbol: str, number: int, at_ms: int) -> dict[str, Any]:
    told = {"e": "trade", "E": at_ms + 1, "s": symbol, "t": number, "p": price(number), "q": quantity(number)}
    return told | {"T": at_ms, "m": number % 3 == 0, "M": True}


def past_trade(number: int, at_ms: int) -> dict[str, Any]:
    """The same as REST tells it."""
    told = {"id": number, "price": price(number), "qty": quantity(number), "quoteQty": "1.00000000"}
    return told | {"time": at_ms, "isBuyerMaker": number % 3 == 0, "isBestMatch": True}


def ticker(symbol: str, at_ms: int) -> dict[str, Any]:
    told = {"e": "24hrTicker", "E": at_ms, "s": symbol, "p": "-12.50000000", "P": "-0.018", "w": "68000.1", "x": "1"}
    span = {"o": "68012.50000000", "h": "69000.00000000", "l": "67000.00000000", "c": "68000.00000000"}
    return told | span | {"v": "812.5", "q": "55250000.125", "O": at_ms - 86_400_000, "C": at_ms, "n": 90_210}


def kline(symbol: str, minute: int, at_ms: int, closed: bool = True, interval: str = "1m") -> dict[str, Any]:
    """`minute` is counted since the epoch."""
    first, opens, high, low, closes, volume, last, quote, trades, bought_volume, bought, _ = past_kline(minute)
    candle = {"t": first, "T": last, "s": symbol, "i": interval, "f": 1, "L": 2, "o": opens, "c": closes, "h": high}
    candle |= {"l": low, "v": volume, "n": trades, "x": closed, "q": quote, "V": bought_volume, "Q": bought, "B": "0"}
    return {"e": "kline", "E": at_ms, "s": symbol, "k": candle}


def past_kline(minute: int) -> list[Any]:
    """The same as REST tells it."""
    opens, closes = f"{60_000 + minute % 50}.5", f"{60_000 + minute % 70}.25"
    first = minute * MINUTE_MS
    return [first, opens, "60100", "59000.1", closes, "12.5", first + 59_999, "750000.125", 42, "6", "360000.5", "0"]


def message(told: dict[str, Any]) -> str:
    """As the combined stream has it."""
    stream = {"trade": "trade", "24hrTicker": "ticker", "kline": "kline_1m"}[told["e"]]
    return json.dumps({"stream": f"{str(told['s']).lower()}@{stream}", "data": told})


class Exchange:
    """What it tells by REST: every trade up to `last_trade`, and every candle up to the running minute.

    `fault` is asked before each answer, and may give another one. `asked` has when each request came (monotonic), and
    the status of its answer.
    """

    def __init__(self) -> None:
        self.began_ms = int(time() * 1000) - 20 * MINUTE_MS
        self.last_trade = 0
        self.fault: Callable[[str, dict[str, str]], Answer | None] = lambda _what, _query: None
        self.asked: list[tuple[float, int]] = []
        self.stream_url = self.rest_url = ""

    def traded_ms(self, number: int) -> int:
        return self.began_ms + number * 1_000

    def trade(self, symbol: str, number: int) -> str:
        return message(trade(symbol, number, self.traded_ms(number)))

    def answer(self, what: str, query: dict[str, str]) -> Answer:
        asked_s, fault = monotonic(), self.fault(what, query)
        self.asked.append((asked_s, fault[0] if fault else 200))
        if fault:
            return fault
        limit = int(query["limit"])
        if what == "historicalTrades":
            first = int(query["fromId"])
            numbers = range(first, min(first + limit, self.last_trade + 1))
            return 200, {}, [past_trade(number, self.traded_ms(number)) for number in numbers]
        first, end_ms = int(query["startTime"]) // MINUTE_MS, int(query.get("endTime", time() * 1000))
        return 200, {}, [past_kline(minute) for minute in range(first, min(first + limit, end_ms // MINUTE_MS + 1))]


@contextmanager
def running(exchange: Exchange, stream: Callable[[ServerConnection], None]) -> Iterator[None]:
    """Serves the exchange at its two addresses; `stream` is what happens in each connection, one after the other."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            status, headers, content = exchange.answer(asked.path.removeprefix("/api/v3/"), query)
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def connected(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            stream(connection)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as rest, serve(connected, "127.0.0.1", 0) as streams:
        exchange.rest_url = f"http://127.0.0.1:{rest.server_port}"
        exchange.stream_url = f"ws://127.0.0.1:{streams.socket.getsockname()[1]}"
        threads = [Thread(target=server.serve_forever) for server in (rest, streams)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            rest.shutdown()
            streams.shutdown()
            for thread in threads:
                thread.join()


def stay(connection: ServerConnection, while_so: Callable[[], bool] = lambda: True) -> None:
    """Nothing is traded, and tickers come all the same, until the other end is gone."""
    while while_so():
        with suppress(TimeoutError):
            connection.recv(timeout=0.1)
        connection.send(message(ticker("BTCUSDT", int(time() * 1000))))
