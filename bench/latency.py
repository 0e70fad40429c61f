"""How long an event takes from its creation to its commit in MySQL, and until a chart shows it: open loop.

Shoppers act by the clock, whatever the pipeline does, so that a stall counts with every event that waits through it.
While a shop runs, two counts are followed: of the events committed in MySQL, and of those that a chart has got from
Superset. The latency of the n-th event is the time from its creation to the moment when a count reached n.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Event as Flag

import msgspec
import numpy as np

from bench import chart
from bench.baselines import topic
from local.native.stack import Stack
from local.runtime import SERVERS
from local.throwaway import throwaway_stack
from producer.domains.ecommerce.load_curve import day_rate
from producer.faults import Rates
from settings import Settings
from stores import mysql, progress
from stores.kafka import end_offsets
from stores.offsets import Offsets

log = logging.getLogger(__name__)

RATES = (200, 1_000, 5_000)
"""Events a second."""
WARM_UP_S, MEASURED_S = 25.0, 40.0
LOOK_EVERY_S = 0.02
CHART_EVERY_S = 0.5
"""How often the chart is asked for: a dashboard that is left open asks every ten seconds."""
DEADLINE_S = 120.0
SHARES = (0.50, 0.95, 0.99)

Counts = list[tuple[float, int]]
"""(seconds since the epoch, events by then), ascending."""


class Created(msgspec.Struct):
    """What is read of an event."""

    occurred_at: datetime


@dataclass(frozen=True)
class Latencies:
    """At a rate in events a second: milliseconds from creation to commit and to the chart, for each of SHARES."""

    rate: int
    events: int
    committed_ms: tuple[int, ...]
    seen_ms: tuple[int, ...]


def waited_s(created: np.ndarray, counts: Counts) -> np.ndarray:
    """Seconds from the creation of each event (seconds since the epoch, ascending) until a count had reached it.

    Raises ValueError where the count never reached the last one.
    """
    times, reached = (np.array(column) for column in zip(*counts, strict=True))
    if reached[-1] < len(created):
        raise ValueError(f"{len(created)} events were created, {reached[-1]} were counted")
    return times[np.searchsorted(reached, np.arange(1, len(created) + 1))] - created


def percentiles_ms(waited: np.ndarray) -> tuple[int, ...]:
    """For each of SHARES, in milliseconds."""
    return tuple(round(1000 * float(each)) for each in np.quantile(waited, SHARES))


@contextmanager
def followed(read: Callable[[], int], every_s: float) -> Iterator[Counts]:
    """Yields Counts, to which what `read` says is added over and over until the end of the block."""
    counts: Counts = []
    over = Flag()

    def follow() -> None:
        while not over.wait(every_s):
            count = read()
            counts.append((time.time(), count))

    with ThreadPoolExecutor(1) as pool:
        following: Future[None] = pool.submit(follow)
        try:
            yield counts
        finally:
            over.set()
            following.result()


def further(read: Callable[[], int]) -> Callable[[], int]:
    """What a count says beyond what it says now."""
    before = read()
    return lambda: read() - before


def creations(settings: Settings, start: Offsets, ends: Offsets) -> np.ndarray:
    """When the events between these offsets were created: seconds since the epoch, ascending."""
    decoder = msgspec.json.Decoder(Created)
    events = (decoder.decode(value) for value in topic.values(settings, ends, start))
    return np.sort(np.array([event.occurred_at.timestamp() for event in events]))


def shop(settings: Settings, rate: int) -> Settings:
    """Settings with which the producer sends `rate` events a second now, each once and well-formed."""
    return replace(
        settings,
        producer_rate=day_rate(rate, datetime.now(UTC)),
        producer_backfill_minutes=0,
        **dict.fromkeys((f"producer_{fault}" for fault in Rates._fields), 0.0),
    )


def at_rate(stack: Stack, rate: int) -> Latencies:
    """Runs a shop, and measures after WARM_UP_S for MEASURED_S. Whatever was sent before is there by then."""
    settings = stack.settings
    start = end_offsets(settings)
    shown = chart.events(settings)
    with mysql.connected(settings, "reader", settings.domain) as connection:
        committed = further(lambda: progress.aggregated(connection).aggregated or 0)
        seen = further(lambda: int(shown.read()))
        with followed(committed, LOOK_EVERY_S) as commits, followed(seen, CHART_EVERY_S) as sights:
            stack.start("producer", settings=shop(settings, rate))
            time.sleep(WARM_UP_S + MEASURED_S)
            stack.stop("producer")
            ends = end_offsets(settings)
            sent = sum(ends.values()) - sum(start.values())
            deadline = time.monotonic() + DEADLINE_S
            while not sights or sights[-1][1] < sent:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the chart did not show {sent} events within {DEADLINE_S:.0f} s")
                time.sleep(LOOK_EVERY_S)
    created = creations(settings, start, ends)
    measured = slice(*np.searchsorted(created, created[0] + np.array([WARM_UP_S, WARM_UP_S + MEASURED_S])))
    committed_s, seen_s = (waited_s(created, counts)[measured] for counts in (commits, sights))
    found = Latencies(rate, len(committed_s), percentiles_ms(committed_s), percentiles_ms(seen_s))
    log.info("%d events/s: committed after %s ms, seen after %s ms", rate, found.committed_ms, found.seen_ms)
    return found


def measure(rates: Sequence[int] = RATES) -> list[Latencies]:
    """On a stack of its own."""
    with throwaway_stack((*SERVERS, "spark", "superset")) as stack:
        return [at_rate(stack, rate) for rate in rates]


def table(latencies: Sequence[Latencies]) -> str:
    """In Markdown."""
    lines = [f"| events/s | {' | '.join(heads())} |", "|--:" * (1 + len(heads())) + "|"]
    lines += [f"| {one.rate:,} | {' | '.join(cells(one))} |" for one in latencies]
    return "\n".join(lines)


def heads() -> list[str]:
    """Of a table's columns of latencies."""
    return [f"{what} p{100 * share:.0f}" for what in ("committed", "seen") for share in SHARES]


def cells(latencies: Latencies) -> list[str]:
    """What is in them, in seconds."""
    return [f"{ms / 1000:.2f} s" for ms in (*latencies.committed_ms, *latencies.seen_ms)]
