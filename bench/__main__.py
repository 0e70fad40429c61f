"""`make bench`: how many events a second go end to end, with everything on this machine.

A topic is filled first, with what a shop of `--rate` events/s sends; then Spark starts and both queries drain it into
both stores. What is measured lies between the moment when both are past the first quarter, so that the JVMs are warm,
and the moment when both are through: the rate, and each component's processor time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from audit import progress
from audit.verify import verify
from bench import processor
from local.stack import Stack
from local.throwaway import throwaway_stack
from settings import ROOT, Settings, as_environment
from spark_jobs.source import offsets_of
from stores import cassandra, mysql

LOOK_EVERY_S = 0.1
WARM_UP = 0.25
DEADLINE_S = 900.0
LONGEST = timedelta(minutes=60)
"""Of simulated time: nothing that is sent may be too late."""


def fill(settings: Settings, events: int, rate: float) -> None:
    """Sends the seeded events of a shop with `rate` events/s, and the default rates of faults, as fast as it goes."""
    start = datetime.now(UTC) - min(LONGEST, timedelta(seconds=1.1 * events / rate))
    options = {"--seed": 1, "--events": events, "--rate": rate, "--start": start.isoformat().replace("+00:00", "Z")}
    words = [str(word) for option in options.items() for word in option]
    subprocess.run(
        [sys.executable, "-m", "producer", *words, "--unpaced"],
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

    def report(self) -> str:
        """A table in Markdown."""
        per_million = {name: s / self.records * 1e6 for name, s in self.processor_seconds.items()}
        return "\n".join(
            [
                f"end to end: {self.records} records in {self.seconds:.1f} s",
                f"rate: {self.records / self.seconds:.0f} records/s",
                *(f"{query} through after {seconds:.1f} s" for query, seconds in self.query_seconds.items()),
                f"processor: {sum(self.processor_seconds.values()) / self.seconds:.2f} cores",
                f"memory: {self.memory_bytes / 2**20:.0f} MB",
                "",
                "| component | CPU-seconds per million records |",
                "|---|---|",
                *(f"| {name} | {seconds:.1f} |" for name, seconds in per_million.items()),
                f"| all | {sum(per_million.values()):.1f} |",
            ]
        )


def drain(stack: Stack) -> Drained:
    """Waits until both queries are through."""
    ends = offsets_of(stack.settings.events_topic, stack.settings, end=True)
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=10_000.0, help="events/s of the simulated shop")
    given = parser.parse_args()
    with throwaway_stack() as stack:
        fill(stack.settings, given.events, given.rate)
        stack.start("spark", wait=False)
        drained = drain(stack)
        verdict = verify(stack.settings)
        print(drained.report())  # noqa: T201
        print(verdict)  # noqa: T201
    return 0 if verdict.exact else 1


if __name__ == "__main__":
    sys.exit(main())
