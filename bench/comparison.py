"""Tillstream and what people write first, over the same records, in turn, in one run.

Every round has a stack of its own and a topic of well-formed events, each once: the baselines know nothing of bad
records, duplicates or crashes. Each drains the topic, or its beginning, into stores of its own, and what it wrote is
held against a count of the records one by one. A ratio is taken within a round; the table has its median and range.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.baselines import stores, topic
from bench.baselines.measured import Measured
from bench.end_to_end import Drained, drain, fill
from bench.proof import WrongResult, prove
from local.native.stack import Stack
from local.throwaway import throwaway_stack
from producer.faults import Rates
from settings import ROOT, Settings, as_environment
from stores import cassandra
from stores.kafka import end_offsets
from stores.offsets import Offsets, to_json

log = logging.getLogger(__name__)

RATE = 1_000.0
"""Events a second of the simulated shop."""
BATCHES = 8
"""Micro-batches that Tillstream is given the topic in at least, without a pause: the first ones only warm up."""
TILLSTREAM = "Tillstream"
MAY_FALL_TO = 0.5
NO_FAULTS = tuple(f"--{fault}=0" for fault in Rates._fields)


def summed(settings: Settings, ends: Offsets, table: str) -> None:
    """Raises WrongResult unless every event is in Cassandra and every sum in MySQL is right."""
    for dimension, sums in topic.expected(settings, ends).items():
        if stores.sums(settings, dimension) != sums:
            raise WrongResult(f"by_{dimension} has other sums than the records")
    archived(settings, ends, table)


def archived(settings: Settings, ends: Offsets, table: str) -> None:
    """Raises WrongResult unless every event is in Cassandra."""
    with cassandra.connected(settings, "admin") as session:
        rows = stores.archived(session, table)
    if rows != sum(ends.values()):
        raise WrongResult(f"{table} has {rows} rows, there are {sum(ends.values())} records")


def nothing(_settings: Settings, _ends: Offsets, _table: str) -> None:
    """There is nothing written to look at."""


@dataclass(frozen=True)
class Baseline:
    """A program in bench/baselines: what it is in words, the share of the records that it is given, how its result in
    a table of Cassandra and in MySQL is checked."""

    module: str
    words: str
    share: float
    check: Callable[[Settings, Offsets, str], None]
    table: str = ""

    def run(self, settings: Settings, ends: Offsets) -> Measured:
        stores.empty(settings)
        part = {partition: max(1, int(end * self.share)) for partition, end in ends.items()}
        done = subprocess.run(
            [sys.executable, "-m", f"bench.baselines.{self.module}", to_json(part)],
            cwd=ROOT,
            env={**os.environ, **as_environment(settings)},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        self.check(settings, part, self.table)
        return Measured(**json.loads(done.stdout.splitlines()[-1]))


BASELINES = (
    Baseline("rows", "kafka-python, cassandra-driver, mysql-connector, record by record", 0.02, summed, "plain_events"),
    Baseline("windows", "Spark, one windowed query a table, foreachPartition", 1.0, summed, "plain_events"),
    Baseline("dataflow", "Bytewax, sums by key, one process", 0.3, summed, "plain_events"),
    Baseline("driver", "Cassandra's driver alone, rows ready in memory", 0.3, archived, "events"),
    Baseline("limit", "Kafka to Spark's workers, nothing written", 1.0, nothing),
)


@dataclass(frozen=True)
class Round:
    """Records a second, by name, and what Tillstream cost."""

    rates: Mapping[str, float]
    tillstream: Drained

    @property
    def times(self) -> dict[str, float]:
        """Baseline -> how many times as fast as it Tillstream was."""
        return {name: self.rates[TILLSTREAM] / rate for name, rate in self.rates.items() if name != TILLSTREAM}


def tillstream(stack: Stack) -> Drained:
    """Both queries over the whole topic. Raises WrongResult."""
    stack.start("spark", wait=False)
    drained = drain(stack)
    prove(stack.settings)
    stack.stop("spark")
    return drained


def round_of(events: int, baselines: Sequence[Baseline], ours_first: bool) -> Round:
    """One round, over a topic of its own. Raises WrongResult."""
    with throwaway_stack(
        spark_max_offsets_per_trigger=events // BATCHES, spark_archive_trigger_ms=0, spark_aggregate_trigger_ms=0
    ) as stack:
        fill(stack.settings, events, RATE, *NO_FAULTS)
        ends = end_offsets(stack.settings)
        runs: dict[str, Callable[[], Measured | Drained]] = {TILLSTREAM: lambda: tillstream(stack)}
        runs |= {one.module: lambda one=one: one.run(stack.settings, ends) for one in baselines}
        found = {}
        for name in runs if ours_first else reversed(runs):
            found[name] = runs[name]()
            log.info("%-11s %8.0f records/s", name, found[name].rate)
        return Round({name: one.rate for name, one in found.items()}, found[TILLSTREAM])


def compare(events: int, count: int, names: Sequence[str]) -> list[Round]:
    """So many rounds with these of the BASELINES; in every second one the order is turned round. Raises WrongResult."""
    baselines = [one for one in BASELINES if one.module in names]
    return [round_of(events, baselines, number % 2 == 0) for number in range(count)]


def ratios(rounds: Sequence[Round], name: str) -> list[float]:
    """How many times as fast as a baseline Tillstream was in each round, ascending."""
    return sorted(each.times[name] for each in rounds)


def fallen(rounds: Sequence[Round], published: Mapping[str, float]) -> list[str]:
    """The baselines against which Tillstream is less than MAY_FALL_TO of what was published, in words."""
    found = {name: median(ratios(rounds, name)) for name in published if name in rounds[0].rates}
    return [
        f"{name}: {ratio:.2f} times as fast, {published[name]:.2f} were published"
        for name, ratio in found.items()
        if ratio < MAY_FALL_TO * published[name]
    ]


def median_rates(rounds: Sequence[Round]) -> dict[str, float]:
    """Name -> records a second, in the order of the first round."""
    return {name: median(each.rates[name] for each in rounds) for name in rounds[0].rates}


def median_costs(rounds: Sequence[Round]) -> dict[str, float]:
    """Component -> what a million records cost Tillstream, in seconds of one core."""
    costs = [each.tillstream.processor_seconds_per_million() for each in rounds]
    return {name: median(cost[name] for cost in costs) for name in costs[0]}


def table(rounds: Sequence[Round]) -> str:
    """In Markdown: the median rate of each, and how many times as fast Tillstream was."""
    lines = ["| what | records/s | Tillstream is so many times as fast |", "|---|--:|--:|"]
    words = {TILLSTREAM: "Tillstream, both queries, all its tables", **{one.module: one.words for one in BASELINES}}
    for name, rate in median_rates(rounds).items():
        spread = "1"
        if name != TILLSTREAM:
            times = ratios(rounds, name)
            spread = f"{median(times):.2f} ({times[0]:.2f} to {times[-1]:.2f})"
        lines.append(f"| {words[name]} | {rate:,.0f} | {spread} |")
    return "\n".join(lines)


def cost_table(rounds: Sequence[Round]) -> str:
    """In Markdown: what a million records cost Tillstream, the median of the rounds."""
    total = median(sum(each.tillstream.processor_seconds_per_million().values()) for each in rounds)
    lines = ["| component | CPU-seconds per million records |", "|---|--:|"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in median_costs(rounds).items()]
    lines += [f"| all | {total:.1f} |"]
    return "\n".join(lines)
