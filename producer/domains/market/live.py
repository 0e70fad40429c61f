"""The market as an exchange reports it, in place of the simulation: from its messages to records.

Of each pair and kind, events are sent in the order of their numbers. So the topic itself says where a feed that starts
again goes on, and a number that is passed over is a gap: what it lacks is asked for by REST before anything else of the
pair is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from threading import Event as Flag
from time import monotonic, time

import contracts
from producer.domains.market.binance_messages import PastCandle, PastTrade, Report, Unreadable, kline_of, read, trade_of
from producer.domains.market.binance_rest import Refused, Rest
from producer.domains.market.binance_stream import messages
from producer.domains.market.pairs import SYMBOLS
from producer.domains.market.prices import MINUTE_MS, MINUTES_A_DAY
from producer.domains.market.told import recalled, record_of
from producer.pace import BATCH_RECORDS, TICK_S
from producer.publish import Topic
from producer.records import Record, encode
from settings import Settings
from stores.retry import Stopped

log = logging.getLogger(__name__)

UNREADABLE = "unreadable"
MOST_TRADES = 20_000
"""Of a gap so many are asked for at most, the newest ones: 20 requests."""
LONGEST_GAP_S, LONGEST_HISTORY_S = 15.0, 120.0
"""How long a pair's live trades may wait for those that are missing, and for its candles at the start."""
FARTHEST_MINUTES = 30 * MINUTES_A_DAY
"""Candles are kept for so long."""
REPORT_S = 60.0


def now_ms() -> int:
    return int(time() * 1000)


def batches(records: Iterable[Record | None]) -> Iterator[list[Record]]:
    """Records as they come, together every TICK_S; None says that there is none at the moment."""
    batch: list[Record] = []
    due_s = monotonic()
    for record in records:
        if record is not None:
            batch.append(record)
        if len(batch) == BATCH_RECORDS or (batch and record is None and monotonic() >= due_s):
            yield batch
            batch, due_s = [], monotonic() + TICK_S
    if batch:
        yield batch


def unreadable(message: bytes) -> Record:
    """A message that is no event, as it came: the pipeline puts it into the dead letter."""
    at_ms = now_ms()
    return Record(at_ms, None, message, UNREADABLE, "", at_ms, 0)


class Live:
    def __init__(self, settings: Settings, topic: Topic, stop: Flag) -> None:
        self._contract = contracts.load(settings.domain)
        self._history_minutes = settings.producer_history_days * MINUTES_A_DAY
        self._url, self._stop = settings.market_stream_url, stop
        self._rest = Rest(settings.market_rest_url, stop)
        self._sent = recalled(topic, self._contract, now_ms())
        self._left_out, self._reported_s = 0, monotonic()

    def records(self) -> Iterator[Record | None]:
        """Records as they come, and None where there is none at the moment; until the feed is stopped."""
        try:
            for symbol in SYMBOLS:
                yield from self._history(symbol)
            for message in messages(self._url, self._stop):
                if message is not None:
                    yield from self._told_by(message)
                yield None
                self._report()
        except Stopped:
            return

    def _history(self, symbol: str) -> Iterator[Record | None]:
        """The candles since the last one that was sent; at the first start, those of the time before it."""
        last, minute = self._sent[symbol, "kline"].last, now_ms() // MINUTE_MS
        since = minute - self._history_minutes if last is None else max(last + 1, minute - FARTHEST_MINUTES)
        try:
            yield from self._past(symbol, self._rest.candles(symbol, since, None, monotonic() + LONGEST_HISTORY_S))
        except Refused as error:
            log.error("%s: candles of the time before the start are missing: %s", symbol, error)

    def _told_by(self, message: bytes) -> Iterator[Record | None]:
        try:
            report = read(message)
        except Unreadable:
            yield unreadable(message)
            return
        if report is not None:
            last = self._sent[report.symbol, report.name].last
            if last is not None and report.number > last + 1 and report.name != "ticker":
                yield from self._gap(report, last + 1)
            yield self._record(report)

    def _gap(self, report: Report, first: int) -> Iterator[Record | None]:
        """What is missing from a number on before a report, as far as the exchange still tells it."""
        symbol, end, found, why = report.symbol, report.number, 0, ""
        until_s = monotonic() + LONGEST_GAP_S
        if report.name == "trade":
            missing = self._rest.trades(symbol, max(first, end - MOST_TRADES), end, until_s)
        else:
            missing = self._rest.candles(symbol, max(first, end - FARTHEST_MINUTES), end, until_s)
        try:
            for record in self._past(symbol, missing):
                found += record is not None
                yield record
        except Refused as error:
            why = f": {error}"
        log.warning(
            "%s: %d times a %s was missing, from number %d on; %d of them are told now%s",
            *(symbol, end - first, report.name, first, found, why),
        )

    def _past(
        self, symbol: str, told: Iterator[list[PastTrade]] | Iterator[list[PastCandle]]
    ) -> Iterator[Record | None]:
        """What REST tells. Candles that are told only now are events of now, as those of the simulation are."""
        for some in told:
            for each in some:
                try:
                    if isinstance(each, PastTrade):
                        yield self._record(trade_of(symbol, each), late=True)
                    else:
                        yield self._record(kline_of(symbol, each, now_ms()))
                except Unreadable:
                    yield unreadable(encode(each))
            yield None

    def _record(self, report: Report, late: bool = False) -> Record | None:
        told = self._sent[report.symbol, report.name]
        record = record_of(report, told, now_ms(), self._contract, late)
        self._left_out += record is None
        return record

    def _report(self) -> None:
        if self._left_out and monotonic() - self._reported_s > REPORT_S:
            log.warning(
                "%d messages were left out: too old, ahead of our clock, or older than what is remembered",
                self._left_out,
            )
            self._left_out, self._reported_s = 0, monotonic()
