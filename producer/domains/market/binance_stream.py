"""The messages of Binance's combined stream, whatever happens to the connection."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Event as Flag
from time import monotonic

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from producer.domains.market.binance_messages import STREAMS
from producer.domains.market.binance_rest import pauses
from producer.domains.market.pairs import SYMBOLS
from producer.pace import TICK_S

log = logging.getLogger(__name__)

STALLED_S = 15.0
"""Tickers come every second: without a message for so long the connection is dead, whatever it says itself."""
OPEN_S, CLOSE_S = 10.0, 1.0


class Stalled(Exception):  # noqa: N818 - it is what the connection is
    """Nothing comes any more."""


def address(url: str) -> str:
    """Of one connection with all that is reported of all pairs."""
    streams = "/".join(f"{symbol.lower()}@{stream}" for symbol in SYMBOLS for stream in STREAMS)
    return f"{url.rstrip('/')}/stream?streams={streams}"


def messages(url: str, stop: Flag, stalled_s: float = STALLED_S) -> Iterator[bytes | None]:
    """Messages as they come, and None where none has come for TICK_S; endless, until `stop` is set.

    A connection that ends, as each does after 24 hours, or that stalls, is followed by another one: after a second at
    least, so that the exchange's limit of 300 in five minutes is far away.
    """
    tries = pauses()
    while not stop.is_set():
        try:
            # No limit to the messages that wait: while the reader is busy, pings must be answered all the same. The
            # exchange sends pings; ours would count as messages.
            with connect(
                address(url), open_timeout=OPEN_S, close_timeout=CLOSE_S, ping_interval=None, max_queue=None
            ) as stream:
                log.info("connected with %s", url)
                heard_s = monotonic()
                while not stop.is_set():
                    try:
                        message = stream.recv(timeout=TICK_S, decode=False)
                    except TimeoutError:
                        if monotonic() - heard_s > stalled_s:
                            raise Stalled(f"no message for {stalled_s:.0f} s") from None
                        yield None
                    else:
                        yield message
                        heard_s, tries = monotonic(), pauses()
        except (OSError, WebSocketException, Stalled) as error:
            pause_s = next(tries)
            log.warning("the connection with %s has ended, the next one in %.0f s: %s", url, pause_s, error)
            stop.wait(pause_s)
