"""The market beside the shop: exact through a kill of Spark; its candles are those that the exchange states; what a
rebuild gives is the same, also of a range."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from local.native.stack import Stack
from settings import Settings
from spark_jobs import aggregate
from tests.integration.pipeline import minutes_ago, output, query, spark_running
from tests.waiting import wait_for

pytestmark = pytest.mark.integration

PAIRS, HISTORY = 12, 12 * 1_440
EVENTS = 8_000
"""Of less than twenty minutes, however little is traded at the time."""


@pytest.fixture(scope="module")
def both(servers: Stack) -> Settings:
    """Settings of both domains, whose tables are there."""
    settings = replace(servers.settings, domains=("ecommerce", "market"), producer_history_days=1)
    output(settings, "-m", "stores")
    return settings


@pytest.fixture(scope="module")
def market(both: Settings) -> Settings:
    return both.one("market")


def send(settings: Settings, start: datetime, events: int) -> None:
    """Has the market's producer send events, faults among them, to their end."""
    words = (
        f"--start={start.isoformat()}",
        f"--events={events}",
        "--seed=3",
        "--rate=50",
        "--malformed=0.01",
        "--late=0.05",
    )
    output(settings.one("market"), "-m", "producer", "--unpaced", *words)


def test_it_is_exact_through_a_kill_of_spark(both: Settings) -> None:
    send(both, minutes_ago(50), HISTORY + EVENTS)
    with spark_running(both):
        wait_for(
            "the market has a micro-batch", lambda: aggregate.checkpoint(both.one("market")).committed_batch() >= 0
        )
    send(both, minutes_ago(25), EVENTS)
    with spark_running(both):
        said = output(both, "-m", "audit", "verify", "--domain", "market")
    [line] = [line for line in said.splitlines() if line.startswith("verify: ")]
    assert line.endswith("amount_off=0")
    assert f"aggregated={HISTORY + 2 * EVENTS} " in line


def test_history_is_there_from_the_start(market: Settings) -> None:
    [(minutes,)] = query(market, "SELECT COUNT(*) FROM candles_by_minute WHERE trades = 0")
    assert minutes >= HISTORY
    [(bars,)] = query(market, "SELECT COUNT(*) FROM bars WHERE step = '15m' AND symbol = 'BTCUSDT'")
    assert bars > 96


def test_candles_are_those_that_the_exchange_states(market: Settings) -> None:
    """Of every minute of which all trades are here: made one by one, and stated as a whole."""
    parts = ("open_e8", "high_e8", "low_e8", "close_e8", "quote_e8", "taker_buy_quote_e8")
    differs = " OR ".join(f"{name} <> stated_{name}" for name in parts)
    [(same, different)] = query(
        market, f"SELECT COUNT(*), SUM({differs}) FROM candles_by_minute WHERE trades > 0 AND trades = stated_trades"
    )
    assert same > PAIRS
    assert different == 0


def test_a_recomputation_gives_the_same(both: Settings) -> None:
    output(both, "-m", "spark_jobs", "rebuild", "--check", "--domain", "market")


CANDLES = "SELECT * FROM candles_by_minute ORDER BY symbol, minute"


def test_a_range_that_is_recomputed_is_the_same(both: Settings, market: Settings) -> None:
    """That of the first start: a day of candles was told in its first minute."""
    before = query(market, CANDLES)
    [(first,)] = query(market, "SELECT MIN(minute) FROM events_by_minute")
    since, until = (f"{moment:%Y-%m-%dT%H:%MZ}" for moment in (first, first + timedelta(minutes=2)))
    with spark_running(both):
        output(both, "-m", "spark_jobs", "rebuild", "--since", since, "--until", until, "--domain", "market")
    assert query(market, CANDLES) == before


def test_a_rebuild_gives_the_same(both: Settings, market: Settings) -> None:
    before = query(market, CANDLES)
    output(both, "-m", "spark_jobs", "rebuild", "--domain", "market")
    assert query(market, CANDLES) == before
