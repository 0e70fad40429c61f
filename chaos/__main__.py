"""`make chaos`: real faults on a stack of its own while a shop sends events, each followed by the proof.

Each must leave four invariants whole: every acknowledged event in exactly one of Cassandra and the dead letter; MySQL
equal to Cassandra, to the cent; every trouble reported; recovery within its bound.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import time

from chaos import course, report
from chaos.fault import FAULTS, table
from chaos.invariants import Broken, Survived
from chaos.scene import NotStruck

log = logging.getLogger("chaos")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=100, help="how many (default: 100)")
    parser.add_argument("--events", type=int, default=5_000_000, help="at least so many (default: 5000000)")
    parser.add_argument("--rounds", type=int, default=4, help="stacks, one after the other (default: 4)")
    parser.add_argument(
        "--rate", type=float, default=1200, help="events/s of the shop, in the mean over a day (default: 1200)"
    )
    parser.add_argument("--seed", type=int, default=random.randrange(2**31), help="the order of the faults")  # noqa: S311
    parser.add_argument("--only", nargs="+", choices=FAULTS, metavar="FAULT", help="these, in this order, on one stack")
    parser.add_argument("--table", action="store_true", help="print the faults and their outcomes, and do nothing")
    given = parser.parse_args()
    if given.table:
        print(table())  # noqa: T201
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the stack is cleared away
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("kafka", "cassandra", "mysql", "audit"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    if given.only:
        rounds = [course.Round(0, tuple(FAULTS[name] for name in given.only), 0)]
    else:
        rounds = course.plan(given.seed, given.faults, given.events, given.rounds)
    survived: list[Survived] = []

    def tell(one: Survived) -> None:
        survived.append(one)
        level = logging.INFO if one.in_time else logging.ERROR
        words = "%d: %s survived, recovered after %.1f s; %s"
        log.log(level, words, len(survived), one.fault.name, one.recovered_s, one.verdict)

    began = time.monotonic()
    try:
        records = list(course.run(rounds, given.seed, given.rate, tell))
    except (Broken, NotStruck) as broken:
        log.error("seed %d, after %d faults: %s", given.seed, len(survived), broken)
        return 1
    print(report.table(survived))  # noqa: T201
    print(report.summary(survived, records, given.seed, time.monotonic() - began))  # noqa: T201
    return 0 if all(one.in_time for one in survived) else 1


if __name__ == "__main__":
    sys.exit(main())
