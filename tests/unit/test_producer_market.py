"""The simulated market: the same seed gives the same bytes, what comes out looks like a market, and what is out of the
ordinary is where it should be."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, takewhile
from math import log
from statistics import correlation, fmean, stdev

import pytest

from producer.domains import market
from producer.domains.market import extremes, prices
from producer.domains.market.pairs import PAIRS, SYMBOLS
from producer.faults import Rates
from producer.records import DUPLICATE, EVENT, GOOD, Record
from producer.simulate import Simulation, happenings, simulate

START = datetime(2026, 3, 14, 12, 0, 20, tzinfo=UTC)
MARKET = Simulation("market", seed=7, start=START, rate=50.0, rates=Rates())
EVENTS = 20_000
DAYS = 20


def minutes(moment: datetime) -> int:
    """Since the epoch."""
    return int(moment.timestamp()) // 60


@cache
def records() -> list[Record]:
    return list(simulate(MARKET, EVENTS))


def told(found: list[Record], name: str) -> list[dict]:
    return [json.loads(record.value) for record in found if record.event_name == name and record.kind in GOOD]


def of_minutes(events: list[dict], time: str = "occurred_at") -> dict[tuple[str, str], list[dict]]:
    """Events by pair and minute."""
    found = defaultdict(list)
    for event in events:
        found[event["symbol"], event[time][:16]].append(event)
    return found


@cache
def returns(symbol: str) -> list[float]:
    """Of every minute of some days."""
    [pair] = (pair for pair in PAIRS if pair.symbol == symbol)
    first = minutes(START)
    course = [prices.at(pair, minute) for minute in range(first, first + DAYS * prices.MINUTES_A_DAY)]
    assert all(one.closes == pytest.approx(other.opens, abs=1e-9) for one, other in pairwise(course))
    return [minute.closes - minute.opens for minute in course]


def test_the_same_simulation_gives_the_same_records_byte_for_byte():
    whole = replace(MARKET, rates=Rates(0.1, 0.1, 0.1, 0.1, 0.1))
    assert list(simulate(whole, 2_000)) == list(simulate(whole, 2_000))


@pytest.mark.parametrize(
    "other",
    [
        replace(MARKET, seed=8),
        replace(MARKET, start=START + timedelta(milliseconds=1)),
        replace(MARKET, rate=51.0),
        replace(MARKET, history=timedelta(minutes=5)),
    ],
    ids=["seed", "start", "rate", "history"],
)
def test_another_simulation_shares_no_event_id(other):
    ids = {json.loads(record.value)["event_id"] for record in simulate(other, 500)}
    assert ids.isdisjoint(json.loads(record.value)["event_id"] for record in records())


def test_every_event_has_an_id_of_its_own():
    ids = Counter(json.loads(record.value)["event_id"] for record in records() if record.kind == EVENT)
    assert len(ids) == ids.total() == EVENTS


def test_a_market_that_is_started_again_goes_on():
    last = {event["symbol"]: event["price_e8"] for event in told(records(), "trade")}
    ended = datetime.fromtimestamp(records()[-1].at_ms / 1000, UTC)
    again = list(simulate(replace(MARKET, seed=8, start=ended), 2_000))
    first = {event["symbol"]: event["price_e8"] for event in reversed(told(again, "trade"))}
    assert last.keys() == first.keys() == set(SYMBOLS)
    assert all(abs(first[symbol] / last[symbol] - 1) < 0.02 for symbol in SYMBOLS)


def test_a_kline_is_what_its_trades_make():
    trades, klines = of_minutes(told(records(), "trade")), of_minutes(told(records(), "kline"), "opened_at")
    start, end = START.isoformat()[:16], max(minute for _, minute in trades)
    stale = {
        symbol for symbol in SYMBOLS for m in range(minutes(START), minutes(START) + 60) if extremes.is_stale(symbol, m)
    }
    whole = {key: kline for key, [kline] in klines.items() if start < key[1] < end and key[0] not in stale}
    assert len(whole) > 20
    for key, kline in whole.items():
        mine = sorted(trades[key], key=lambda trade: trade["trade_id"])
        assert kline["trades"] == len(mine)
        assert kline["quote_volume_e8"] == sum(trade["quote_e8"] for trade in mine)
        assert kline["volume_e8"] == sum(trade["quantity_e8"] for trade in mine)
        assert kline["taker_buy_quote_e8"] == sum(t["quote_e8"] for t in mine if t["taker"] == "buy")
        if mine:
            found = [trade["price_e8"] for trade in mine]
            stated = [kline[name] for name in ("open_e8", "high_e8", "low_e8", "close_e8")]
            assert stated == [found[0], max(found), min(found), found[-1]]


def test_what_is_paid_is_price_times_quantity_to_the_last_digit():
    for trade in told(records(), "trade"):
        assert trade["quote_e8"] * 10**8 == trade["price_e8"] * trade["quantity_e8"]


def test_a_ticker_states_the_day_before():
    klines = told(list(simulate(replace(MARKET, history=timedelta(days=1)), 12 * 1_440)), "kline")
    first = {}
    for ticker in told(records(), "ticker"):
        first.setdefault(ticker["symbol"], ticker)
    for symbol, ticker in first.items():
        day = [kline for kline in klines if kline["symbol"] == symbol]
        assert (ticker["opened_at"], ticker["open_e8"]) == (day[0]["opened_at"], day[0]["open_e8"])
        assert ticker["high_e8"] >= max(kline["high_e8"] for kline in day)
        assert ticker["low_e8"] <= min(kline["low_e8"] for kline in day)
        assert ticker["change_e8"] == ticker["close_e8"] - ticker["open_e8"]
        assert ticker["trades"] >= sum(kline["trades"] for kline in day)


def test_history_is_every_minute_before_the_start_once():
    history = timedelta(hours=30)
    number = len(SYMBOLS) * 30 * 60
    klines = of_minutes(told(list(simulate(replace(MARKET, history=history), number)), "kline"), "opened_at")
    times = {(START - timedelta(minutes=ago)).isoformat()[:16] for ago in range(1, 30 * 60 + 1)}
    assert klines.keys() == {(symbol, time) for symbol in SYMBOLS for time in times}
    assert {len(found) for found in klines.values()} == {1}
    assert {kline["occurred_at"] for [kline] in klines.values()} == {"2026-03-14T12:00:20.000Z"}


def test_more_is_traded_at_times_and_in_the_mean_over_a_day_what_was_asked_for():
    for pair in PAIRS:
        day = [minute.activity for minute in prices.minutes_of(pair, minutes(START) // prices.MINUTES_A_DAY)]
        assert fmean(day) == pytest.approx(1)
        assert max(day) > 2 * min(day)
    seconds = (records()[-1].at_ms - records()[0].at_ms) / 1000
    assert 0.3 < EVENTS / seconds / MARKET.rate < 3


@pytest.mark.parametrize("symbol", ["BTCUSDT", "DOGEUSDT"])
def test_returns_are_those_of_a_market(symbol):
    """Uncorrelated, of the size that was set, with fat tails, and large ones beside large ones."""
    found, [pair] = returns(symbol), [pair for pair in PAIRS if pair.symbol == symbol]
    deviation = stdev(found)
    yearly = deviation * (prices.DAYS_A_YEAR * prices.MINUTES_A_DAY) ** 0.5
    assert 0.4 < yearly / pair.volatility < 2.5
    assert fmean((each / deviation) ** 4 for each in found) > 4
    assert abs(correlation(found[1:], found[:-1])) < 0.05
    sizes = list(map(abs, found))
    assert correlation(sizes[1:], sizes[:-1]) > 0.1
    assert correlation(sizes[60:], sizes[:-60]) > 0.05


def test_pairs_move_together_as_far_as_they_follow_the_market():
    assert correlation(returns("BTCUSDT"), returns("ETHUSDT")) > 0.5
    assert 0.05 < correlation(returns("BTCUSDT"), returns("TRXUSDT")) < 0.5


def trades_about(extreme: extremes.Extreme, before: int, after: int) -> list[dict]:
    """Trades of the pair, from some minutes before something out of the ordinary on until some after it."""
    start = datetime.fromtimestamp((extreme.minute - before) * 60, UTC)
    around = replace(MARKET, start=start)
    found = []
    for event in happenings(around):
        if event.occurred_ms >= (extreme.minute + after) * 60_000:
            return found
        if event.fields["symbol"] == extreme.symbol and event.fields["event_name"] == "trade":
            found.append(event.fields)
    raise AssertionError("the market never ends")


@pytest.mark.parametrize("period", range(2))
def test_a_flash_crash_is_where_it_should_be(period):
    crash = extremes.crash(minutes(START) // extremes.CRASH_EVERY_MINUTES + period)
    found = trades_about(crash, 1, extremes.FALLS_MINUTES + 1)
    assert min(trade["price_e8"] for trade in found) / found[0]["price_e8"] - 1 == pytest.approx(-0.09, abs=0.03)


@pytest.mark.parametrize("period", range(3))
def test_a_fat_finger_is_where_it_should_be(period):
    finger = extremes.fat_finger(minutes(START) // extremes.FAT_FINGER_EVERY_MINUTES + period)
    steps = [log(other["price_e8"] / one["price_e8"]) for one, other in pairwise(trades_about(finger, 0, 1))]
    far = [step for step in steps if abs(step) > 0.08]
    assert len(far) == 2  # there, and back
    assert far[0] * far[1] < 0


def through(symbol: str, silent: range) -> tuple[list[Record], list[Record]]:
    """Records of a market at rest, and with a feed that stands still for some seconds after the start."""

    def strikes(choice: str, at_ms: int) -> bool:
        return choice == symbol and (at_ms - MARKET.start_ms) // 1_000 in silent

    disturbed = replace(MARKET, rate=20.0)
    last_ms = MARKET.start_ms + 300_000
    return tuple(
        list(takewhile(lambda record: record.at_ms < last_ms, simulate(disturbed, None, *more)))
        for more in ((), (strikes,))
    )


def test_a_feed_that_is_back_repeats_its_last_trades_and_tells_the_minutes_that_it_missed():
    symbol, silent = "ETHUSDT", range(100, 200)
    undisturbed, disturbed = through(symbol, silent)
    told_without = {record.value for record in undisturbed}
    missing = told_without - {record.value for record in disturbed}
    times = {(record.occurred_ms - MARKET.start_ms) // 1_000 for record in undisturbed if record.value in missing}
    assert times <= set(silent)
    assert {json.loads(value)["symbol"] for value in missing} == {symbol}
    more = [record for record in disturbed if record.value not in told_without]
    assert {record.event_name for record in more} == {"kline"}
    assert [json.loads(record.value)["opened_at"][11:16] for record in more] == ["12:02"]
    again = [record for record in disturbed if record.kind == DUPLICATE]
    before = [r for r in disturbed if r.kind == EVENT and r.occurred_ms < MARKET.start_ms + 100_000]
    mine = [r for r in before if r.event_name == "trade" and json.loads(r.value)["symbol"] == symbol]
    assert [record.value for record in again] == [record.value for record in mine[-20:]]
    assert {(record.at_ms - MARKET.start_ms) // 1_000 for record in again} == {200}
    assert {record.amount for record in again} == {0}


def test_a_number_of_events_is_of_distinct_ones():
    feed = extremes.stale(minutes(START) // extremes.STALE_EVERY_MINUTES)
    start = datetime.fromtimestamp((feed.minute - 2) * 60, UTC)
    found = list(simulate(replace(MARKET, start=start, rate=20.0), 12_000))
    kinds = Counter(record.kind for record in found)
    assert kinds == {EVENT: 12_000, DUPLICATE: 20}


def test_damage_fits_the_event():
    fields = {name: told(records(), name)[0] for name in ("trade", "ticker", "kline")}
    assert "quote_mismatch" in market.damage(fields["trade"])
    assert "low_above_high" in market.damage(fields["kline"])
    assert market.damage(fields["ticker"]) == market.damage(fields["kline"])
