"""What comes of a feed that stands still for a while: when it is back, the exchange repeats the last trades before
that, and tells the candles of the minutes that were over meanwhile. The trades in between are never told.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

from producer.records import Event, Strikes, rfc3339

REPEATED = 20
"""So many trades are told once more."""


def through_silence(events: Iterable[Event], is_silent: Strikes) -> Iterator[Event]:
    """`events` in order, as they are told of feeds that are silent at times, by symbol and time."""
    latest: dict[str, deque[Event]] = defaultdict(lambda: deque(maxlen=REPEATED))
    missed: dict[str, list[Event]] = {}
    for event in events:
        symbol, name = event.fields["symbol"], event.fields["event_name"]
        if is_silent(symbol, event.occurred_ms):
            klines = missed.setdefault(symbol, [])
            if name == "kline":
                klines.append(event)
            continue
        if symbol in missed:
            yield from (each._replace(occurred_ms=event.occurred_ms, again=True) for each in latest[symbol])
            yield from (_told_at(event.occurred_ms, kline) for kline in missed.pop(symbol))
        if name == "trade":
            latest[symbol].append(event)
        yield event


def _told_at(at_ms: int, event: Event) -> Event:
    return event._replace(occurred_ms=at_ms, fields=event.fields | {"occurred_at": rfc3339(at_ms)})
