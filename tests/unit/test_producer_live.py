"""The market's live feed: what messages become, what is told once more, and of what nothing is certain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from producer.domains import market
from producer.domains.market.binance_messages import VENUE, Unreadable, read, scaled
from producer.domains.market.binance_stream import address
from producer.domains.market.events import event_id
from producer.domains.market.live import batches, unreadable
from producer.domains.market.pairs import SYMBOLS
from producer.domains.market.told import REMEMBERED, Told, recalled, record_of
from producer.pace import BATCH_RECORDS
from producer.records import CONFLICT, DUPLICATE, EVENT, LATE, Record
from settings import Settings
from spark_jobs.domains import validator
from tests.exchange import kline, message, paid_e8, ticker, trade

NOW = datetime(2026, 3, 14, 15, 9, 26, 535000, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
CONTRACT = contracts.load("market")
MINUTE = NOW_MS // 60_000 - 1
TOLD = {
    "trade": trade("BTCUSDT", 5_000_000_001, NOW_MS - 20),
    "ticker": ticker("ETHUSDT", NOW_MS - 300),
    "kline": kline("SOLUSDT", MINUTE, NOW_MS - 50),
}


def rejected(values: list[bytes | None]) -> list[str | None]:
    """Why the pipeline rejects each of these, None where it takes it."""
    appended_at = pl.Series([NOW]).new_from_index(0, len(values))
    return validator("market").validate(values, appended_at)["reject"].to_list()


def sent(told: dict, memory: Told | None = None, now_ms: int = NOW_MS, late: bool = False) -> Record | None:
    report = read(message(told).encode())
    return record_of(report, Told() if memory is None else memory, now_ms, CONTRACT, late)


@pytest.mark.parametrize(
    ("text", "decimals", "number"),
    [
        ("68000.01000000", 8, 6_800_001_000_000),
        ("0.00000001", 8, 1),
        ("-0.00150000", 8, -150_000),
        ("42", 8, 4_200_000_000),
        ("-2.093", 3, -2_093),
        ("12345678901.23456789", 8, 1_234_567_890_123_456_789),
        ("1.10000000000", 8, 110_000_000),
    ],
)
def test_a_decimal_number_is_an_integer_to_the_last_digit(text: str, decimals: int, number: int) -> None:
    assert scaled(text, decimals) == number


@pytest.mark.parametrize("text", ["", ".5", "1.", "1e5", "NaN", "+1", "1,5", "0.000000001", "\uff11", "--1", "9" * 21])
def test_what_is_no_such_number_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        scaled(text)


@pytest.mark.parametrize("name", TOLD)
def test_the_pipeline_takes_what_counts(name: str) -> None:
    record = sent(TOLD[name])
    assert (record.kind, record.event_name) == (EVENT, name)
    assert rejected([record.value]) == [None]


def test_a_trade_is_told_with_all_that_the_exchange_says_of_it() -> None:
    record = sent(TOLD["trade"])
    assert json.loads(record.value) == {
        "event_id": event_id(VENUE, "BTCUSDT", "trade", 5_000_000_001),
        "event_name": "trade",
        "schema_version": 1,
        "occurred_at": "2026-03-14T15:09:26.515Z",
        "sent_at": "2026-03-14T15:09:26.535Z",
        "symbol": "BTCUSDT",
        "trade_id": 5_000_000_001,
        "price_e8": 6_826_201_000_000,
        "quantity_e8": 7_919,
        "quote_e8": 540_566_857,
        "taker": "sell",
    }
    assert (record.key, record.amount) == (b"BTCUSDT", 540_566_857)


@given(st.integers(1, 10**9))
def test_what_is_paid_is_price_times_quantity_rounded_half_up(number: int) -> None:
    assert sent(trade("BTCUSDT", number, NOW_MS)).amount == paid_e8(number)


def test_a_ticker_and_a_candle_are_told_with_all_that_the_exchange_says_of_them() -> None:
    day, minute = (json.loads(sent(TOLD[name]).value) for name in ("ticker", "kline"))
    assert (day["opened_at"], day["occurred_at"]) == ("2026-03-13T15:09:26.235Z", "2026-03-14T15:09:26.235Z")
    assert (day["change_e8"], day["change_percent_e3"], day["trades"]) == (-1_250_000_000, -18, 90_210)
    assert (day["quote_volume_e8"], day["volume_e8"]) == (5_525_000_012_500_000, 81_250_000_000)
    assert (minute["opened_at"], minute["occurred_at"]) == ("2026-03-14T15:08:00.000Z", "2026-03-14T15:09:26.485Z")
    assert (minute["high_e8"], minute["low_e8"]) == (6_010_000_000_000, 5_900_010_000_000)
    assert (minute["quote_volume_e8"], minute["taker_buy_quote_e8"]) == (75_000_012_500_000, 36_000_050_000_000)


@pytest.mark.parametrize(
    "text",
    [
        '{"result":null,"id":1}',
        '{"e":"serverShutdown","E":1770123456789}',
        message(kline("BTCUSDT", MINUTE, NOW_MS, closed=False)),
    ],
    ids=["an answer", "that the server will end", "a candle that is not closed"],
)
def test_what_reports_nothing_is_passed_over(text: str) -> None:
    assert read(text.encode()) is None


JUNK = {
    "nothing": b"",
    "not JSON": b"<html>503</html>",
    "not UTF-8": message(TOLD["trade"]).encode().replace(b"BTCUSDT", b"\xff\xfe"),
    "cut": message(TOLD["trade"]).encode()[:-3],
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "an unknown type": b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1,"s":"BTCUSDT"}}',
    "not of the combined stream": json.dumps(TOLD["trade"]).encode(),
    "no symbol": message(TOLD["trade"]).replace('"s": "BTCUSDT", ', "").encode(),
    "another candle": message(kline("BTCUSDT", MINUTE, NOW_MS, interval="5m")).encode(),
    "an event of ours": b'{"result": null, "id": 1, "event_id": "0b3f4e6a-0000-5000-8000-000000000001"}',
    **{
        f"{name} {changes}": message(TOLD[name] | changes).encode()
        for name, changes in (
            ("trade", {"p": 68_000.5}),
            ("trade", {"p": "68000.123456789"}),
            ("trade", {"p": "0.00000000"}),
            ("trade", {"p": "10000000", "q": "10000000"}),
            ("trade", {"t": -1}),
            ("trade", {"t": "5"}),
            ("trade", {"t": 10**30}),
            ("trade", {"T": -1}),
            ("trade", {"T": 10**30}),
            ("trade", {"s": "LUNAUSDT"}),
            ("trade", {"m": None}),
            ("ticker", {"l": "69000"}),
            ("ticker", {"n": 10**10}),
            ("ticker", {"O": 10**18}),
            ("kline", {"k": TOLD["kline"]["k"] | {"t": MINUTE * 60_000 + 1}}),
        )
    },
}


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_unreadable_is_sent_as_it_is_and_the_pipeline_rejects_it(junk: str) -> None:
    with pytest.raises(Unreadable):
        read(JUNK[junk])
    record = unreadable(JUNK[junk])
    assert (record.kind, record.value, record.amount) == ("unreadable", JUNK[junk], 0)
    [reason] = rejected([record.value])
    assert reason is not None


@given(st.data())
@settings(max_examples=500)
def test_whatever_counts_the_pipeline_takes(data: st.DataObject) -> None:
    """Each field of a good message with some other value: it is unreadable, left out, or good for the pipeline, too."""
    odd = st.one_of(
        st.integers(-(10**20), 10**20),
        st.decimals(-(10**12), 10**12, places=8).map(str),
        st.sampled_from(["0", "68000", NOW_MS, NOW_MS - 5_000_000, None, True, ""]),
    )
    told = dict(data.draw(st.sampled_from(list(TOLD.values()))))
    part = told["k"] = dict(told["k"]) if "k" in told else told
    part[data.draw(st.sampled_from([name for name in part if name not in ("e", "k")]))] = data.draw(odd)
    if part is told:
        del told["k"]
    try:
        record = sent(told)
    except Unreadable:
        return
    assert record is None or rejected([record.value]) == [None]


def test_a_volume_that_the_contract_has_no_room_for_is_left_out() -> None:
    record = sent(TOLD["ticker"] | {"v": "99999999999"})
    assert "volume_e8" not in json.loads(record.value)
    assert rejected([record.value]) == [None]


def test_what_was_fetched_after_a_gap_is_late() -> None:
    assert sent(TOLD["trade"], late=True).kind == LATE


@pytest.mark.parametrize("name", TOLD)
def test_what_is_told_once_more_is_the_same_bytes(name: str) -> None:
    memory = Told()
    first, second = (sent(TOLD[name], memory, NOW_MS + after_ms) for after_ms in (0, 90_000))
    assert (first.kind, second.kind) == (EVENT, DUPLICATE)
    assert (second.value, second.amount) == (first.value, 0)


def test_a_candle_that_is_told_at_another_time_is_the_same() -> None:
    memory = Told()
    first = sent(TOLD["kline"] | {"E": NOW_MS - 40_000}, memory)
    again = sent(TOLD["kline"], memory)
    assert (again.kind, again.value) == (DUPLICATE, first.value)


def test_other_contents_under_the_same_number_are_a_conflict() -> None:
    memory = Told()
    sent(TOLD["trade"], memory)
    other = sent(TOLD["trade"] | {"p": "1.5"}, memory)
    assert (other.kind, json.loads(other.value)["price_e8"], other.amount) == (CONFLICT, 150_000_000, 0)


@pytest.mark.parametrize(("minutes", "is_sent"), [(-91, False), (-89, True), (2, True), (3, False)])
def test_what_might_come_too_late_or_too_early_is_left_out(minutes: int, is_sent: bool) -> None:
    memory = Told()
    record = sent(trade("BTCUSDT", 7, NOW_MS + minutes * 60_000), memory)
    assert (record is not None, memory.last is not None) == (is_sent, is_sent)


def test_what_was_sent_too_long_ago_is_not_repeated() -> None:
    memory = Told()
    sent(TOLD["kline"], memory)
    later_ms = NOW_MS + 91 * 60_000
    assert sent(TOLD["kline"] | {"E": later_ms}, memory, later_ms) is None


def test_a_number_that_was_passed_over_is_new_until_it_is_forgotten() -> None:
    memory = Told()
    for number in (10, 12):
        sent(trade("BTCUSDT", number, NOW_MS), memory)
    assert sent(trade("BTCUSDT", 11, NOW_MS), memory).kind == EVENT
    assert sent(trade("BTCUSDT", 9, NOW_MS), memory).kind == EVENT
    for number in range(20, 20 + REMEMBERED):
        sent(trade("BTCUSDT", number, NOW_MS), memory)
    assert [sent(trade("BTCUSDT", number, NOW_MS), memory) for number in (8, 9, 10, 11, 12)] == [None] * 5
    assert sent(trade("BTCUSDT", 13, NOW_MS), memory).kind == EVENT
    assert memory.last == 19 + REMEMBERED


class Topic:
    """What a topic of one partition has, the last ones of which are asked for."""

    def __init__(self, values: list[bytes | None], begins_at: int = 0, every_ms: int = 100) -> None:
        self.begins_at = begins_at
        self.records = [
            SimpleNamespace(value=value, partition=0, timestamp=NOW_MS - (len(values) - place) * every_ms)
            for place, value in enumerate(values)
        ]
        self.asked: list[int] = []

    def latest(self, number: int) -> tuple[bool, list[SimpleNamespace]]:
        self.asked.append(number)
        is_all = self.begins_at == 0 and number >= len(self.records)
        return is_all, self.records[-number:]


def of_all_pairs() -> list[bytes]:
    told = (
        each
        for symbol in SYMBOLS
        for each in (trade(symbol, 7, NOW_MS), ticker(symbol, NOW_MS), kline(symbol, MINUTE, NOW_MS))
    )
    return [sent(each).value for each in told]


def test_an_empty_topic_has_had_nothing() -> None:
    memory = recalled(Topic([]), CONTRACT, NOW_MS)
    assert all(memory[symbol, "kline"].last is None for symbol in SYMBOLS)
    assert sent(trade("BTCUSDT", 5, NOW_MS), memory["BTCUSDT", "trade"]).kind == EVENT


def test_the_end_of_the_topic_says_what_was_sent() -> None:
    foreign = json.dumps(json.loads(sent(trade("BTCUSDT", 900, NOW_MS)).value) | {"event_id": "of the simulation"})
    hole = [sent(trade("BTCUSDT", number, NOW_MS)).value for number in (3, 5)]
    memory = recalled(Topic([*hole, *of_all_pairs(), *JUNK.values(), None, foreign.encode()]), CONTRACT, NOW_MS)
    trades = memory["BTCUSDT", "trade"]
    assert (trades.last, memory["TRXUSDT", "kline"].last) == (7, MINUTE)
    kinds = [record and record.kind for record in (sent(trade("BTCUSDT", n, NOW_MS), trades) for n in (5, 7, 8))]
    assert kinds == [DUPLICATE, DUPLICATE, EVENT]
    # Whether this came before the end that was read, or never, nobody can say.
    assert sent(trade("BTCUSDT", 4, NOW_MS), trades) is None


def test_it_looks_back_until_it_knows_of_every_pair() -> None:
    topic = Topic(of_all_pairs() + [b"junk"] * 30_000, begins_at=1)
    assert recalled(topic, CONTRACT, NOW_MS)["LTCUSDT", "trade"].last == 7
    assert topic.asked == [20_000, 80_000]


def test_it_does_not_look_back_farther_than_the_contract_gives_events() -> None:
    hour_ms = int(timedelta(hours=1).total_seconds() * 1000)
    topic = Topic(of_all_pairs() + [b"junk"] * 30_000, begins_at=1, every_ms=hour_ms)
    memory = recalled(topic, CONTRACT, NOW_MS)
    assert topic.asked == [20_000]
    # Of candles of the time before the start nothing is known then: they are not told.
    assert memory["LTCUSDT", "kline"].last == NOW_MS // 60_000 - 1
    assert sent(TOLD["kline"] | {"s": "LTCUSDT"}, memory["LTCUSDT", "kline"]) is None


def test_records_are_sent_together_and_none_waits_for_the_next() -> None:
    [*records] = (sent(trade("BTCUSDT", number, NOW_MS)) for number in range(BATCH_RECORDS + 2))
    assert [len(batch) for batch in batches(records)] == [BATCH_RECORDS, 2]
    assert [len(batch) for batch in batches([None, records[0], None, None])] == [1]


def test_one_connection_has_all_streams() -> None:
    found = address("wss://data-stream.example/")
    assert found.startswith("wss://data-stream.example/stream?streams=btcusdt@trade/btcusdt@ticker/btcusdt@kline_1m/")
    assert found.count("@") == 3 * len(SYMBOLS)


def test_there_is_no_feed_where_the_market_is_simulated() -> None:
    assert market.feed(Settings(domains=("market",)), None, None) is None
