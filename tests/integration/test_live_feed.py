"""The market's live feed against an exchange that misbehaves: no trade is lost or counts twice as long as the exchange
still tells of it, what it repeats is a duplicate, what it can't mean is a dead letter; through the pipeline, too."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import pairwise
from socket import SHUT_RDWR
from threading import Event as Flag
from threading import Lock
from time import monotonic, time
from types import SimpleNamespace

import pytest
from websockets.sync.server import ServerConnection

from local.choice import preferred
from local.throwaway import throwaway_stack
from producer.domains.market import binance_stream, live
from producer.domains.market.live import Live, batches
from producer.domains.market.pairs import SYMBOLS
from producer.ledger import Ledger, LedgerError
from producer.records import DUPLICATE, EVENT, GOOD, LATE, Record
from settings import ROOT, Settings, load
from tests.exchange import MINUTE_MS, Answer, Exchange, kline, message, paid_e8, running, stay, ticker
from tests.integration.pipeline import environment, output, query, spark_running
from tests.waiting import DEADLINE_S, wait_for

pytestmark = pytest.mark.integration

BTC = "BTCUSDT"
MINUTES_A_DAY = 1_440
RETRY_AFTER_S = 2
STALLED_S = 3.0
JUNK = (
    b"<html>503 Service Unavailable</html>",
    b'{"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":"one"}}',
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}}',
    b"\xff\xfe",
)


def fed_by(settings: Settings, exchange: Exchange) -> Settings:
    return replace(
        settings,
        domains=("market",),
        market_feed="binance",
        market_stream_url=exchange.stream_url,
        market_rest_url=exchange.rest_url,
        producer_history_days=1,
    )


class Topic:
    """A topic that has what a feed has sent before."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records

    def latest(self, _number: int) -> tuple[bool, list[SimpleNamespace]]:
        now_ms = int(time() * 1000)
        return True, [SimpleNamespace(value=each.value, partition=0, timestamp=now_ms) for each in self.records]


class Script:
    """What is said in one connection after the other. After its last word one is cut; or nothing more comes, where it
    `stalls`; or the market goes on, in the last one."""

    def __init__(self, *connections: list[str | bytes], stalls: int | None = None) -> None:
        self.connections, self.stalls = connections, stalls
        self.begun_s: list[float] = []

    def __call__(self, connection: ServerConnection) -> None:
        number = len(self.begun_s)
        self.begun_s.append(monotonic())
        for each in self.connections[number]:
            connection.send(each, text=True)
        if number == self.stalls:
            connection.recv()
        elif number == len(self.connections) - 1:
            stay(connection)
        else:
            connection.socket.shutdown(SHUT_RDWR)


def fed(exchange: Exchange, script: Script, before: list[Record], last: int) -> list[Record]:
    """What a feed sends that is started, up to a trade; `before` is what the topic has."""
    stop, found, deadline_s = Flag(), [], monotonic() + DEADLINE_S
    with running(exchange, script):
        for batch in batches(Live(fed_by(Settings(), exchange), Topic(before), stop).records()):
            found += batch
            if last in trades(batch, EVENT):
                stop.set()
            assert monotonic() < deadline_s, Counter(record.kind for record in found)
    return found


def trades(records: list[Record], *kinds: str) -> list[int]:
    """Their numbers, in the order in which they were sent."""
    return [
        json.loads(record.value)["trade_id"]
        for record in records
        if record.kind in kinds and record.event_name == "trade"
    ]


def minutes_told(records: list[Record]) -> dict[bytes, list[str]]:
    """Of which minutes there are candles, by pair."""
    found = defaultdict(list)
    for record in records:
        if record.kind in GOOD and record.event_name == "kline":
            found[record.key].append(json.loads(record.value)["opened_at"])
    return found


def test_every_trade_counts_once_whatever_the_exchange_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "messages", partial(binance_stream.messages, stalled_s=STALLED_S))
    refused, too_many = range(171, 176), iter((429, 418))

    def fault(what: str, query: dict[str, str]) -> Answer | None:
        if what == "klines" and query["symbol"] == "ETHUSDT" and (status := next(too_many, None)):
            return status, {"Retry-After": str(RETRY_AFTER_S)}, {"code": -1003}
        if what == "historicalTrades" and int(query["fromId"]) in refused:
            return 403, {}, {"code": -2015}
        return None

    def told(*numbers: int) -> list[str]:
        return [exchange.trade(BTC, number) for number in numbers]

    exchange = Exchange()
    exchange.last_trade, exchange.fault = 200, fault
    script = Script(
        told(*range(1, 51)),
        ['{"result":null,"id":1}', *told(*range(31, 101)), *JUNK, *told(*range(121, 151))],
        [
            message(kline(BTC, exchange.began_ms // MINUTE_MS, exchange.began_ms)),
            *told(*range(161, 171), *range(176, 191), 173),
        ],
        told(*range(181, 201)),
        stalls=2,
    )
    records = fed(exchange, script, [], 200)
    # It is started again, with what the topic has; meanwhile there was more.
    exchange.last_trade = 260
    later = fed(exchange, Script(told(*range(191, 201), *range(231, 261))), records, 260)

    assert sorted(trades(records, *GOOD)) == [n for n in range(1, 201) if n not in refused or n == 173]
    assert trades(records, LATE) == [*range(101, 121), *range(151, 161)]
    assert trades(records, DUPLICATE) == [*range(31, 51), *range(181, 191)]
    assert trades(later, *GOOD) == list(range(201, 261))
    assert trades(later, LATE) == list(range(201, 231))
    assert trades(later, DUPLICATE) == list(range(191, 201))

    good = [record.value for record in records if record.kind in GOOD]
    again = [record for record in [*records, *later] if record.kind == DUPLICATE]
    assert all(record.value in good for record in again)
    assert "kline" in {record.event_name for record in again}
    assert sum(record.amount for record in records) == sum(map(paid_e8, trades(records, *GOOD)))

    assert [record.value for record in records if record.kind == "unreadable"] == list(JUNK)
    assert {record.kind for record in [*records, *later]} == {EVENT, LATE, DUPLICATE, "unreadable"}

    candles = minutes_told([*records, *later])
    assert candles.keys() == {symbol.encode() for symbol in SYMBOLS}
    for minutes in candles.values():
        assert len(minutes) == len(set(minutes)) >= MINUTES_A_DAY

    waits = [(status, later_s - asked_s) for (asked_s, status), (later_s, _) in pairwise(exchange.asked)]
    assert [wait_s > RETRY_AFTER_S for status, wait_s in waits if status in (418, 429)] == [True, True]
    assert all(later_s - begun_s > 1 for begun_s, later_s in pairwise(script.begun_s))


def test_a_gap_does_not_hold_up_the_feed_where_the_exchange_wants_to_be_left_alone() -> None:
    asked = []

    def fault(what: str, query: dict[str, str]) -> Answer | None:
        if what == "historicalTrades":
            asked.append(query)
            return 429, {"Retry-After": "3600"}, {"code": -1003}
        return None

    def script() -> Script:
        return Script([exchange.trade(BTC, number) for number in (*range(1, 11), *range(21, 31), *range(41, 51))])

    exchange = Exchange()
    exchange.last_trade, exchange.fault = 50, fault
    records = fed(exchange, script(), [], 50)
    assert trades(records, *GOOD) == [*range(1, 11), *range(21, 31), *range(41, 51)]
    assert len(asked) == 1
    # Had it been killed while it told of the time before, it would have gone on there.
    before = records[:2_000]
    candles = minutes_told([*before, *fed(exchange, script(), before, 50)])
    assert {symbol.decode(): len(minutes) - len(set(minutes)) for symbol, minutes in candles.items()} == dict.fromkeys(
        SYMBOLS, 0
    )
    assert min(map(len, candles.values())) >= MINUTES_A_DAY


class Market:
    """All pairs are traded, each as often as every other. A connection repeats what was traded last, lacks what was
    traded while there was none, and is cut after a while. There is a halt half way, until it is told to go on."""

    REPEATED, MISSED, OF_ONE_CONNECTION = 20, 30, 200

    def __init__(self, exchange: Exchange, last: int) -> None:
        self.exchange, self.last, self.goes_on = exchange, last, Flag()
        self.one_after_the_other = Lock()

    def __call__(self, connection: ServerConnection) -> None:
        with self.one_after_the_other:
            now_ms, traded = int(time() * 1000), self.exchange.last_trade
            for symbol in SYMBOLS:
                connection.send(message(ticker(symbol, now_ms)))
                connection.send(message(kline(symbol, now_ms // MINUTE_MS - 1, now_ms)))
            connection.send(JUNK[traded % len(JUNK)], text=True)
            self.trade(connection, range(max(1, traded - self.REPEATED), traded + 1))
            # The last one is told in any case: it shows what was missed before it.
            first = min(traded + (self.MISSED if traded else 0), self.last - 1) + 1
            self.trade(connection, range(first, min(first + self.OF_ONE_CONNECTION, self.last + 1)))
            if self.exchange.last_trade == self.last:
                stay(connection)
            connection.socket.shutdown(SHUT_RDWR)

    def trade(self, connection: ServerConnection, numbers: range) -> None:
        for number in numbers:
            if number >= self.last // 2:
                stay(connection, lambda: not self.goes_on.is_set())
            for symbol in SYMBOLS:
                connection.send(self.exchange.trade(symbol, number))
            self.exchange.last_trade = max(self.exchange.last_trade, number)


@contextmanager
def producing(settings: Settings) -> Iterator[subprocess.Popen]:
    """A producer, which is killed at the end."""
    with subprocess.Popen([sys.executable, "-m", "producer"], cwd=ROOT, env=environment(settings)) as producer:
        try:
            yield producer
        finally:
            producer.kill()


def sent(settings: Settings) -> int:
    """How many trades count, as the ledger has it."""
    try:
        return Ledger.read(settings.ledger_path).by_name.get("trade", (0, 0))[0]
    except LedgerError:
        return 0


def test_it_is_exact_through_the_pipeline_and_a_kill() -> None:
    with throwaway_stack(runtime=preferred(load()), domains=("market",)) as stack:
        exact_through_a_kill(stack.settings)


def exact_through_a_kill(settings: Settings) -> None:
    exchange, last = Exchange(), 600
    market = Market(exchange, last)
    with running(exchange, market):
        settings = fed_by(settings, exchange)
        with producing(settings):
            wait_for("trades are sent", lambda: sent(settings) > 1_000, look_every_s=0.02)
        market.goes_on.set()
        with producing(settings) as producer:
            wait_for("all trades are sent", lambda: sent(settings) >= last * len(SYMBOLS))
            producer.send_signal(signal.SIGTERM)
            assert producer.wait(DEADLINE_S) == 0
    ledger = Ledger.read(settings.ledger_path)
    paid = len(SYMBOLS) * sum(map(paid_e8, range(1, last + 1)))
    assert ledger.by_name["trade"] == (last * len(SYMBOLS), paid)
    assert min(ledger.late, ledger.duplicates, ledger.malformed) > 0
    assert (ledger.conflicts, ledger.reloads) == (0, 0)
    with spark_running(settings):
        said = output(settings, "-m", "audit", "verify", "--domain", "market")
    [line] = [line for line in said.splitlines() if line.startswith("verify: ")]
    assert f"aggregated={ledger.events} " in line
    assert line.endswith("amount_off=0")
    [(trades, quote_e8)] = query(settings, "SELECT SUM(trades), SUM(quote_e8) FROM candles_by_minute")
    assert (trades, quote_e8) == (last * len(SYMBOLS), paid)
