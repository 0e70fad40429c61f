"""How fast the pipeline works off what waits for it: both queries, into both stores.

What is measured lies between the moment when both are past the first quarter, so that the JVMs are warm, and the moment
when both are through: the rate, and each component's processor time.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench import processor
from bench.baselines.measured import WARM_UP
from local.native.stack import Stack
from producer.domains.ecommerce.load_curve import day_rate
from settings import ROOT, Settings, as_environment
from stores import cassandra, mysql, progress
from stores.kafka import end_offsets

LOOK_EVERY_S = 0.1
DEADLINE_S = 900.0
LONGEST = timedelta(minutes=60)
"""Of simulated time: nothing that is sent may be too late."""


def fill(settings: Settings, events: int, rate: float, *faults: str) -> None:
    """Sends the seeded events of a shop with `rate` events/s, whatever the time of day, as fast as it goes; `faults`
    are options of the producer in the place of its default rates."""
    lasts = min(LONGEST, timedelta(seconds=1.1 * events / rate))
    start = datetime.now(UTC) - lasts
    options = {
        "--seed": 1,
        "--events": events,
        "--rate": day_rate(rate, start, math.ceil(lasts / timedelta(minutes=1))),
        "--start": start.isoformat().replace("+00:00", "Z"),
    }
    words = [str(word) for option in options.items() for word in option]
    subprocess.run(
        [sys.executable, "-m", "producer", *words, *faults, "--unpaced"],
        cwd=ROOT,
        env={**os.environ, **as_environment(settings)},
        check=True,
    )


@dataclass(frozen=True)
class Drained:
    """Records that went through, the seconds it took both queries and each, each component's processor seconds,
    memory at the end."""

    records: int
    seconds: float
    query_seconds: Mapping[str, float]
    processor_seconds: Mapping[str, float]
    memory_bytes: int

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    def processor_seconds_per_million(self) -> dict[str, float]:
        """Component -> seconds of processor time that a million records cost, of one core."""
        return {name: seconds / self.records * 1e6 for name, seconds in self.processor_seconds.items()}


def drain(stack: Stack) -> Drained:
    """Waits until both queries are through."""
    ends = end_offsets(stack.settings)
    begun: tuple[int, float, dict[str, float]] | None = None
    through: dict[str, float] = {}
    deadline = time.monotonic() + DEADLINE_S
    with (
        cassandra.connected(stack.settings, "reader", stack.settings.domain) as session,
        mysql.connected(stack.settings, "reader", stack.settings.domain) as connection,
    ):
        while time.monotonic() < deadline:
            lags = {
                "archive": progress.archived(session).lag(ends),
                "aggregate": progress.aggregated(connection).lag(ends),
            }
            left = max(lags.values())
            if begun is None and left < (1 - WARM_UP) * sum(ends.values()):
                begun = left, time.monotonic(), processor.seconds(stack)
            if begun is not None:
                through |= {
                    query: time.monotonic() - begun[1]
                    for query, lag in lags.items()
                    if lag == 0 and query not in through
                }
            if left == 0 and begun is not None:
                records, since, before = begun
                spent = {name: total - before.get(name, 0.0) for name, total in processor.seconds(stack).items()}
                seconds = time.monotonic() - since
                return Drained(records, seconds, through, spent, processor.memory_bytes(stack))
            time.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"the pipeline was not through after {DEADLINE_S:.0f} s")
