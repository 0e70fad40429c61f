"""A seeded market on a stack of its own, at rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from local.native.stack import Stack
from local.runtime import SERVERS
from local.throwaway import throwaway_stack
from producer.domains.market.pairs import PAIRS
from producer.domains.market.prices import MINUTES_A_DAY
from settings import Settings
from tests.integration.pipeline import assert_exact, minutes_ago, output

EVENTS = 6_000
"""Besides the candles of the days before."""


@contextmanager
def market_of(days: int) -> Iterator[Settings]:
    """The settings of a stack of the market alone, with so many days of candles; its producer has ended, and everything
    is counted."""
    with throwaway_stack((*SERVERS, "spark", "superset"), domains=("market",), producer_history_days=days) as stack:
        _send(stack, days)
        yield stack.settings


def _send(stack: Stack, days: int) -> None:
    events = len(PAIRS) * days * MINUTES_A_DAY + EVENTS
    words = (f"--start={minutes_ago(50).isoformat()}", f"--events={events}", "--seed=5", "--rate=50", "--late=0.02")
    output(stack.settings, "-m", "producer", "--unpaced", *words)
    assert_exact(stack)
