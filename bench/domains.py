"""`make bench-domains`: what a second domain takes beside the first, and that both stay exact.

Two stacks, one after the other: the shop alone, then with the market beside it. On each the shop's latencies are
measured as `make bench` does; then how old the newest data of each domain are, as Superset tells it, and the memory
that each service has. At last Spark is killed in the midst of what is sent, and all is verified.

Prints a table, keeps it as JSON, and fails where a bound of BOUNDS is not kept.
"""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from statistics import median

import psutil

from bench import chart, latency, results
from bench.latency import Latencies
from bench.proof import prove
from local.native.stack import Stack
from local.runtime import SERVERS
from local.throwaway import throwaway_stack
from producer.ledger import Ledger
from settings import ROOT, Settings, as_environment

log = logging.getLogger(__name__)

FIRST, SECOND = "ecommerce", "market"
FIRST_RATE, SECOND_RATE = 200, 50
"""Events a second."""
SETTLES_S = 20.0
LOOKS, LOOK_EVERY_S = 20, 2.0
DEADLINE_S = 300.0
BOUNDS = {"committed p95, s": 2.0, "median age, s": 5.0, "highest age, s": 30.0, "more memory, MB": 400.0}


@dataclass(frozen=True)
class Found:
    """Of a stack: the latencies of its first domain; domain -> how old its newest data were, in seconds, at each look;
    service -> the most memory that it was seen to have, in MB."""

    latencies: Latencies
    ages_s: Mapping[str, Sequence[float]]
    memory_mb: Mapping[str, float]

    @property
    def all_memory_mb(self) -> float:
        return sum(self.memory_mb.values())


@contextmanager
def sent(settings: Settings) -> Iterator[psutil.Process]:
    """A producer beside the stack's, of another domain and with another rate. It is another than the one that sent the
    history, as the first domain's is."""
    with producing(settings):
        come_to_the_present(settings)
    prove(settings, DEADLINE_S)
    with producing(settings) as process:
        yield process


@contextmanager
def producing(settings: Settings) -> Iterator[psutil.Process]:
    """A producer of these settings; it has ended when this has."""
    command, environment = [sys.executable, "-m", "producer"], {**os.environ, **as_environment(settings)}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def come_to_the_present(settings: Settings) -> None:
    """Waits until a producer is through with what it begins with."""
    deadline = time.monotonic() + DEADLINE_S
    while acknowledged_in(LOOK_EVERY_S, settings) > 2 * LOOK_EVERY_S * settings.producer_rate:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the producer of {settings.domain} did not come to the present in {DEADLINE_S:.0f} s")


def acknowledged_in(seconds: float, settings: Settings) -> float:
    """How many records the ledger has more after a while; infinitely many where it does not exist yet."""
    path = settings.ledger_path
    before = Ledger.read(path).acknowledged if path.exists() else -math.inf
    time.sleep(seconds)
    return Ledger.read(path).acknowledged - before if path.exists() else math.inf


def measure(domains: Sequence[str]) -> Found:
    """On a stack of its own, whose producer is the first domain's. Raises WrongResult."""
    log.info("a stack of %s", " and ".join(domains))
    with throwaway_stack((*SERVERS, "spark", "superset"), domains=tuple(domains)) as stack, ExitStack() as running:
        first, *others = stack.settings.each()
        stack.start("producer", settings=first)
        come_to_the_present(first)
        stack.stop("producer")
        prove(first, DEADLINE_S)
        producers = {
            f"producer of {other.domain}": running.enter_context(sent(replace(other, producer_rate=SECOND_RATE)))
            for other in others
        }
        latencies = latency.at_rate(Stack(first), FIRST_RATE)
        stack.start("producer", settings=latency.shop(first, FIRST_RATE))
        time.sleep(SETTLES_S)
        ages_s, memory_mb = look(stack, producers)
        stack.kill("spark")
        for each in (first, *others):
            prove(each, DEADLINE_S)
        return Found(latencies, ages_s, memory_mb)


def look(stack: Stack, producers: Mapping[str, psutil.Process]) -> tuple[dict[str, list[float]], dict[str, float]]:
    """The ages and the memory of Found, of the stack's services and of further processes."""
    shown = {each.domain: chart.age_seconds(each) for each in stack.settings.each()}
    ages_s: dict[str, list[float]] = {domain: [] for domain in shown}
    memory_mb: dict[str, float] = {}
    for _ in range(LOOKS):
        time.sleep(LOOK_EVERY_S)
        for domain, age in shown.items():
            ages_s[domain].append(age.read())
        taken = {row.name: row.memory_bytes for row in stack.status()}
        taken |= {name: process.memory_full_info().pss for name, process in producers.items()}
        for name, size in taken.items():
            memory_mb[name] = max(memory_mb.get(name, 0.0), size / 2**20)
    return ages_s, memory_mb


def figures(alone: Found, both: Found) -> dict[str, float]:
    """What is bounded: of both domains on one stack."""
    ages_s = both.ages_s.values()
    return {
        "committed p95, s": both.latencies.committed_ms[latency.SHARES.index(0.95)] / 1000,
        "median age, s": max(median(each) for each in ages_s),
        "highest age, s": max(max(each) for each in ages_s),
        "more memory, MB": both.all_memory_mb - alone.all_memory_mb,
    }


def exceeded(found: Mapping[str, float]) -> list[str]:
    """The bounds that are not kept, in words."""
    return [f"{name}: {found[name]:.1f}, at most {most:.1f}" for name, most in BOUNDS.items() if found[name] > most]


def table(stacks: Mapping[str, Found]) -> str:
    """In Markdown: a row a stack."""
    heads = [*latency.heads(), *(f"age of {domain}" for domain in (FIRST, SECOND)), "memory"]
    lines = [f"| domains | {' | '.join(heads)} |", "|---" + "|--:" * len(heads) + "|"]
    for name, found in stacks.items():
        ages = [found.ages_s.get(domain) for domain in (FIRST, SECOND)]
        cells = [
            *latency.cells(found.latencies),
            *(f"{median(each):.1f} s ({max(each):.1f})" if each else "" for each in ages),
            f"{found.all_memory_mb:,.0f} MB",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def memory_table(alone: Found, both: Found) -> str:
    """In Markdown: a row a service."""
    lines = ["| service | alone, MB | with the second domain, MB |", "|---|--:|--:|"]
    lines += [f"| {name} | {alone.memory_mb.get(name, 0):.0f} | {size:.0f} |" for name, size in both.memory_mb.items()]
    return "\n".join(lines)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    alone, both = measure([FIRST]), measure([FIRST, SECOND])
    stacks = {FIRST: alone, f"{FIRST}, {SECOND}": both}
    print(table(stacks), memory_table(alone, both), sep="\n\n")  # noqa: T201 - the command's output
    path = results.keep("domains", {name: asdict(found) for name, found in stacks.items()})
    print("", path.relative_to(ROOT), sep="\n")  # noqa: T201
    too_much = exceeded(figures(alone, both))
    print(*too_much, sep="\n")  # noqa: T201
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
