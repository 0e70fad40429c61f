"""Asks Binance's REST interface for what has been, no faster than it allows."""

from __future__ import annotations

import logging
import random
import urllib.request
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPException
from threading import Event as Flag
from time import monotonic
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

import msgspec

from producer.domains.market.binance_messages import INTERVAL, PastCandle, PastTrade
from producer.domains.market.prices import MINUTE_MS
from stores import retry
from stores.retry import Stopped

log = logging.getLogger(__name__)

AT_ONCE = 1_000
"""Trades and candles that one answer has at most."""
PAUSE_S = 0.3
"""Between requests. The dearest of them, for past trades, weigh 25: that is 5,000 a minute of the 6,000 allowed."""
TIMEOUT_S = 10.0
LONGEST_PAUSE_S = 60.0
FOR_A_WHILE = (418, 429, 500, 502, 503, 504)
"""Status codes after which it is worth to ask again: too many requests, or a fault of the exchange's own."""


class Refused(Exception):  # noqa: N818 - it is the exchange's answer
    """There is no answer, or none within the time that there is."""


def pauses() -> Iterator[float]:
    """Seconds to wait before one try after another: longer and longer, and never the same for two programs."""
    return (pause_s * random.uniform(1, 1.5) for pause_s in retry.pauses(1.0, LONGEST_PAUSE_S))  # noqa: S311 - no secret


class Rest:
    def __init__(self, url: str, stop: Flag) -> None:
        self._url, self._stop = url.rstrip("/"), stop
        self._free_at_s = 0.0
        """The next request is not before this time. Times are those of the monotonic clock."""
        self._tries = pauses()

    def trades(self, symbol: str, first: int, end: int, until_s: float) -> Iterator[list[PastTrade]]:
        """Trades from a number on up to the one before `end`, in order. Raises Refused, and Stopped."""
        while first < end:
            told = self._get("historicalTrades", list[PastTrade], until_s, symbol=symbol, fromId=first)
            found = sorted((each for each in told if first <= each.number < end), key=lambda trade: trade.number)
            if not found:
                return
            yield found
            first = found[-1].number + 1

    def candles(self, symbol: str, first: int, end: int | None, until_s: float) -> Iterator[list[PastCandle]]:
        """Closed candles from a minute since the epoch on, in order; up to the one before `end`, by default to the
        newest. Raises Refused, and Stopped."""
        until = {} if end is None else {"endTime": end * MINUTE_MS - 1}
        while end is None or first < end:
            query = {"symbol": symbol, "interval": INTERVAL, "startTime": first * MINUTE_MS, **until}
            found = self._get("klines", list[PastCandle], until_s, **query)
            # The newest is not closed yet, by the exchange's clock: one is, where there is a newer one.
            told = found[:-1] if end is None else found
            closed = [candle for candle in told if candle.opened_ms >= first * MINUTE_MS]
            if closed:
                yield closed
            if not closed or len(found) < AT_ONCE:
                return
            first = closed[-1].opened_ms // MINUTE_MS + 1

    def _get(self, what: str, kind: Any, until_s: float, **query: Any) -> Any:
        address = f"{self._url}/api/v3/{what}?{urlencode(query | {'limit': AT_ONCE})}"
        while True:
            self._wait(until_s)
            try:
                # The setting allows http and https alone.
                with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:  # noqa: S310
                    found = msgspec.json.decode(answer.read(), type=kind)
                self._free_at_s, self._tries = monotonic() + PAUSE_S, pauses()
                return found
            except HTTPError as error:
                error.close()
                if error.code not in FOR_A_WHILE:
                    raise Refused(f"the exchange answers {error.code} {error.reason}") from None
                pause_s = max(next(self._tries), _retry_after_s(error.headers))
                said = f"{error.code} {error.reason}"
            except (OSError, HTTPException, msgspec.DecodeError) as error:
                pause_s, said = next(self._tries), str(error)
            self._free_at_s = monotonic() + pause_s
            log.warning("%s of %s: not before %.0f s from now: %s", what, query["symbol"], pause_s, said)

    def _wait(self, until_s: float) -> None:
        """Until the next request is allowed."""
        pause_s = max(0.0, self._free_at_s - monotonic())
        if monotonic() + pause_s > until_s:
            raise Refused(f"there is no answer in time, and the next request is to wait for {pause_s:.0f} s")
        if self._stop.wait(pause_s):
            raise Stopped


def _retry_after_s(headers: Message) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0
