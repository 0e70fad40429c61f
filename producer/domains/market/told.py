"""What was sent of a live feed: which events are new, which are told once more, and of which that can't be known.

The proof counts every event once. So an event counts only where it is certain that it was never sent, and that it comes
in time; what repeats it must be the same bytes as before, for other bytes under its id are a conflict.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from typing import Any

import msgspec

from contracts import Contract
from producer.domains.market.binance_messages import VENUE, Report, epoch_ms, numbered
from producer.domains.market.events import event_id
from producer.domains.market.pairs import SYMBOLS
from producer.domains.market.prices import MINUTE_MS
from producer.publish import Topic
from producer.records import CONFLICT, DUPLICATE, EVENT, LATE, Record, encode, rfc3339

REMEMBERED = 1_000
"""Events of each kind and pair whose bytes are kept. After a reconnect a feed repeats some tens at most."""
OLDEST_OF_ALLOWED, NEWEST_OF_ALLOWED = 3 / 4, 1 / 2
"""What occurred beyond these parts of the time that the contract gives is not sent: the rest is for an outage of Kafka,
and for clocks that differ."""
MILLISECOND = timedelta(milliseconds=1)
LOOK_BACK_RECORDS = 20_000
"""So far back in each partition it is looked at first for what was sent last: some minutes of a busy market."""


class Told:
    """What was sent of one kind of event of a pair, by the numbers of Report."""

    def __init__(self) -> None:
        self.last: int | None = None
        """The highest number up to which something was sent, or may have been."""
        self._values: dict[int, bytes] = {}
        self._forgotten = -1

    def add(self, number: int, value: bytes) -> None:
        self._values.setdefault(number, value)
        self.last = number if self.last is None else max(self.last, number)
        if len(self._values) > REMEMBERED:
            first = next(iter(self._values))
            del self._values[first]
            self.forget(first)

    def forget(self, number: int) -> None:
        """From here on nobody can say of what has this number, or a lower one, whether it was sent; but of what is
        remembered."""
        self._forgotten = max(self._forgotten, number)
        self.last = number if self.last is None else max(self.last, number)

    def value(self, number: int) -> bytes | None:
        """What was sent under this number, as far as it is remembered."""
        return self._values.get(number)

    def is_new(self, number: int) -> bool:
        """Whether it is certain that it was never sent."""
        return number > self._forgotten and number not in self._values


Sent = Mapping[tuple[str, str], Told]
"""By symbol and event name."""


def is_timely(occurred_ms: int, now_ms: int, contract: Contract) -> bool:
    """Whether the pipeline will take what occurred then."""
    oldest_ms = now_ms - contract.max_late / MILLISECOND * OLDEST_OF_ALLOWED
    return oldest_ms <= occurred_ms <= now_ms + contract.max_future / MILLISECOND * NEWEST_OF_ALLOWED


def record_of(report: Report, told: Told, now_ms: int, contract: Contract, late: bool = False) -> Record | None:
    """The record in which a report is sent now; None where it must not be, since nobody could say how it would count.

    `told` is of its kind and pair, and knows of it afterwards.
    """
    fields = report.event.fields | {"sent_at": rfc3339(now_ms)}
    value, occurred_ms, name = encode(fields), report.event.occurred_ms, report.name
    sent = told.value(report.number)
    if not is_timely(occurred_ms, now_ms, contract) or (sent is None and not told.is_new(report.number)):
        return None
    if sent is None:
        told.add(report.number, value)
        amount = contract.amount.of(name, fields) if contract.amount else 0
        return Record(now_ms, report.event.key, value, LATE if late else EVENT, name, occurred_ms, amount)
    before = msgspec.json.decode(sent)
    if not is_timely(epoch_ms(before["occurred_at"]), now_ms, contract):
        return None  # the pipeline may forget its id before this comes
    again = (sent, DUPLICATE) if _but_times(before) == _but_times(fields) else (value, CONFLICT)
    return Record(now_ms, report.event.key, *again, name, occurred_ms, 0)


def _but_times(fields: dict[str, Any]) -> dict[str, Any]:
    """What is the same when the same is told once more."""
    return {name: value for name, value in fields.items() if name not in ("occurred_at", "sent_at")}


def recalled(topic: Topic, contract: Contract, now_ms: int) -> Sent:
    """What was sent before the start, as the end of the topic has it: the only place that knows of it for certain.

    Looks farther and farther back until something of each kind and pair is found. Before the time that the contract
    gives events, nothing matters that may come once more; but for candles, of which those of the time before the start
    are not told then.
    """
    number = LOOK_BACK_RECORDS
    while True:
        is_all, messages = topic.latest(number)
        sent: defaultdict[tuple[str, str], Told] = defaultdict(Told)
        oldest_ms: dict[int, int] = {}
        read: Counter[int] = Counter()
        newest_ms = 0
        for message in messages:
            _recall(sent, message.value)
            oldest_ms.setdefault(message.partition, message.timestamp)
            newest_ms = max(newest_ms, message.timestamp)
            read[message.partition] += 1
        more = [oldest_ms[partition] for partition, records in read.items() if records >= number]
        late_enough = all(newest_ms - each > contract.max_late / MILLISECOND for each in more)
        if late_enough or sent.keys() >= set(product(SYMBOLS, ("trade", "kline", "ticker"))):
            break
        number *= 4
    for told in sent.values():
        told.forget(told.last or 0)
    for symbol in () if is_all else SYMBOLS:
        if (symbol, "kline") not in sent:
            sent[symbol, "kline"].forget(now_ms // MINUTE_MS - 1)
    return sent


def _recall(sent: Sent, value: bytes | None) -> None:
    """Notes an event; passes over all that this feed has not sent as one."""
    try:
        fields = msgspec.json.decode(value or b"")
        symbol, name, number = fields["symbol"], fields["event_name"], numbered(fields)
        if fields["event_id"] == event_id(VENUE, symbol, name, number):
            sent[symbol, name].add(number, value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError, ValueError):
        return
