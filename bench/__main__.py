"""`make bench`: how fast it is, what it costs, how old what is shown is; beside what people write first.

Prints tables, and keeps them as JSON and as a picture. Fails where Tillstream is less than half as far ahead of the
baselines as bench/published.json, and with it docs/performance.md, says.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict

from bench import comparison, latency, plot, results
from settings import ROOT

PUBLISHED = ROOT / "bench" / "published.json"
"""Form of the run -> baseline -> how many times as fast as it Tillstream is, as docs/performance.md says."""

ALL = [one.module for one in comparison.BASELINES]
FORMS = {"full": (300_000, 2, ALL), "quick": (60_000, 1, ["rows", "windows"])}
"""Events, rounds and baselines. Warming up weighs more in the quick one."""


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("kafka").setLevel(logging.WARNING)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes: two baselines, no latencies")
    parser.add_argument("--events", type=int, help="in the topic of a round")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", nargs="+", choices=ALL, help="these baselines")
    given = parser.parse_args()
    form = "quick" if given.quick else "full"
    events, count, names = FORMS[form]
    events, count, names = given.events or events, given.rounds or count, given.only or names

    rounds = comparison.compare(events, count, names)
    latencies = [] if given.quick else latency.measure()
    print(comparison.table(rounds), comparison.cost_table(rounds), sep="\n\n")  # noqa: T201
    if latencies:
        print("", latency.table(latencies), sep="\n")  # noqa: T201

    result = {
        "events": events,
        "rounds": [asdict(each) for each in rounds],
        "latencies": [asdict(each) for each in latencies],
    }
    path = results.keep(form, result)
    plot.draw(rounds, latencies, path.with_suffix(".svg"))
    print("", path.relative_to(ROOT), sep="\n")  # noqa: T201

    slower = comparison.fallen(rounds, json.loads(PUBLISHED.read_text())[form])
    print(*slower, sep="\n")  # noqa: T201
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
