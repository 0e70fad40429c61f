"""`make bench`: how many events a second go end to end, with everything on this machine.

A topic is filled first; then Spark starts and both queries drain it into both stores. What is measured lies between
the moment when both have done their first micro-batch and the moment when both are through.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from audit import progress
from audit.verify import verify
from local.throwaway import throwaway_stack
from settings import ROOT, Settings, as_environment
from spark_jobs.source import offsets_of
from stores import cassandra, mysql

LOOK_EVERY_S = 0.1
DEADLINE_S = 900.0
MINUTES_AGO = 60  # the simulated start: nothing that is sent may be too late


def fill(settings: Settings, events: int) -> None:
    """Sends seeded events, with the default rates of faults, as fast as the producer can."""
    start = datetime.now(UTC) - timedelta(minutes=MINUTES_AGO)
    rate = events / (0.9 * MINUTES_AGO * 60)
    options = {"--seed": 1, "--events": events, "--rate": rate, "--start": start.isoformat().replace("+00:00", "Z")}
    words = [str(word) for option in options.items() for word in option]
    subprocess.run(
        [sys.executable, "-m", "producer", *words, "--unpaced"],
        cwd=ROOT,
        env={**os.environ, **as_environment(settings)},
        check=True,
    )


def drain(settings: Settings) -> tuple[int, float]:
    """Waits until both queries are through; returns the records and seconds after the first micro-batch of both."""
    ends = offsets_of(settings.events_topic, settings, end=True)
    begun: tuple[int, float] | None = None
    deadline = time.monotonic() + DEADLINE_S
    with (
        cassandra.connected(settings, "reader", settings.domain) as session,
        mysql.connected(settings, "reader", settings.domain) as connection,
    ):
        while time.monotonic() < deadline:
            archive, aggregate = progress.archived(session), progress.aggregated(connection)
            left = max(archive.lag(ends), aggregate.lag(ends))
            if begun is None and archive.records and aggregate.records:
                begun = left, time.monotonic()
            if left == 0 and begun is not None:
                return begun[0], time.monotonic() - begun[1]
            time.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"the pipeline was not through after {DEADLINE_S:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    events = parser.parse_args().events
    with throwaway_stack(spark_max_offsets_per_trigger=50_000) as stack:
        fill(stack.settings, events)
        stack.start("spark", wait=False)
        records, seconds = drain(stack.settings)
        verdict = verify(stack.settings)
        print(f"end to end: {records} records in {seconds:.1f} s: {records / seconds:.0f} records/s")  # noqa: T201
        print(verdict)  # noqa: T201
    return 0 if verdict.exact else 1


if __name__ == "__main__":
    sys.exit(main())
