"""`make bench-settings`: what other values of the settings would give, each on a stack of its own, in turn.

The topic is filled as in `make bench`; the defaults have to justify themselves. Two are no settings. `cores`: so many
of this machine's cores are what everything has. `workers`: the queries run on a standalone cluster of so many workers
with a core each (what these cost is not counted, Spark's is the driver's alone).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from statistics import median

from bench import standalone_cluster
from bench.comparison import RATE, tillstream
from bench.end_to_end import Drained, fill
from local.throwaway import throwaway_stack
from settings import Settings

log = logging.getLogger(__name__)

CORES, WORKERS = "cores", "workers"
CANDIDATES: Mapping[str, Sequence[int | str]] = {
    "spark_max_offsets_per_trigger": (25_000, 50_000, 100_000, 200_000),
    "spark_aggregate_trigger_ms": (0, 1_000, 5_000),
    "spark_archive_trigger_ms": (0, 1_000, 5_000),
    "kafka_partitions": (2, 4, 8),
    "spark_driver_memory": ("768m", "1g", "2g"),
    "cassandra_heap": ("512m", "640m", "1g"),
    "kafka_heap": ("256m", "320m", "512m"),
    CORES: (1, 2),
    WORKERS: (1, 2),
}
DEFAULTS = {CORES: os.cpu_count()}
"""Of what is no setting."""


@contextmanager
def on_cores(count: int | None) -> Iterator[None]:
    """What is started within the block has the first `count` cores of this machine only; all without a count."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(events: int, name: str, value: int | str) -> Drained:
    """Both queries over `events`, with one setting of this value. Raises WrongResult."""
    settings = {name: value}
    if name == CORES:
        settings = {}
    elif name == WORKERS:
        settings = {"spark_master": standalone_cluster.address()}
    with on_cores(int(value) if name == CORES else None), throwaway_stack(**settings) as stack:
        fill(stack.settings, events, RATE)
        with standalone_cluster.running(stack.settings, int(value)) if name == WORKERS else nullcontext():
            return tillstream(stack)


def line(name: str, value: int | str, runs: Sequence[Drained]) -> str:
    """A line of the table: the default is bold."""
    rates = sorted(each.rate for each in runs)
    cost = median(sum(each.processor_seconds_per_million().values()) for each in runs)
    memory_mb = median(each.memory_bytes for each in runs) / 2**20
    shown = f"**{value}**" if value == getattr(Settings(), name, DEFAULTS.get(name)) else str(value)
    spread = f"{median(rates):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f})"
    return f"| {name} | {shown} | {spread} | {cost:.0f} | {memory_mb:,.0f} |"


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(prog="python -m bench.sweep", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=CANDIDATES, default=list(CANDIDATES), help="these settings")
    given = parser.parse_args()
    print("| setting | value | records/s | CPU-seconds per million | memory, MB |", "|---|--:|--:|--:|--:|", sep="\n")  # noqa: T201
    for name in given.only:
        found: dict[int | str, list[Drained]] = {value: [] for value in CANDIDATES[name]}
        for _ in range(given.rounds):
            for value, runs in found.items():
                runs.append(run(given.events, name, value))
                log.info("%s=%s: %.0f records/s", name, value, runs[-1].rate)
        print(*(line(name, value, runs) for value, runs in found.items()), sep="\n", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
