"""`make soak`: an hour of a busy shop on a stack of its own; what must stay flat is looked at once a minute.

Flat is: the median of the last third of the minutes is at most `MAY_GROW` times that of the first third, after some
minutes to warm up. What is kept grows with the events, so disk counts in bytes per record.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from audit.figures import latencies, percentile
from audit.verify import verify
from bench.processor import SERVICES
from local.native.stack import Stack
from local.runtime import SERVERS
from local.throwaway import throwaway_stack
from producer.domains.ecommerce.load_curve import day_rate
from producer.ledger import Ledger
from stores import mysql

WARM_UP_MINUTES = 5
MAY_GROW = 1.25
LEAST_LATENCY_MS = 500
"""Below this a latency is flat whatever it was."""


@dataclass(frozen=True)
class Minute:
    """A look at the running stack: megabytes of memory by service, bytes on disk per record that was ever sent, the
    95th percentile of the last minute's latency (broker to MySQL), the records that wait at most."""

    minute: int
    records: int
    kafka_mb: float
    cassandra_mb: float
    mysql_mb: float
    spark_mb: float
    disk_bytes_per_record: float
    latency_p95_ms: int
    lag_records: int


def folder_bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # deleted meanwhile
            continue
    return total


def look(stack: Stack, minute: int) -> Minute:
    settings = stack.settings
    memory = {row.name: row.memory_bytes / 2**20 for row in stack.status()}
    records = Ledger.read(settings.ledger_path).acknowledged
    with mysql.connected(settings, "reader", settings.domain) as connection:
        p95_ms = percentile(latencies(connection, timedelta(minutes=2)), 0.95)
        [(lag,)] = mysql.query(
            connection,
            "SELECT COALESCE(MAX(lag_records), 0) FROM progress_by_minute "
            "WHERE minute >= UTC_TIMESTAMP() - INTERVAL 2 MINUTE",
        )
    return Minute(
        minute,
        records,
        *(round(memory[name], 1) for name in SERVICES),
        round(folder_bytes(settings.path("data")) / max(records, 1), 1),
        p95_ms or 0,
        int(lag),
    )


def grown(minutes: Sequence[Minute]) -> list[str]:
    """What was not flat, in words."""
    steady = [one for one in minutes if one.minute > WARM_UP_MINUTES]
    third = len(steady) // 3
    found = []
    for name in [field.name for field in fields(Minute)][2:-1]:
        first, last = (median(getattr(one, name) for one in part) for part in (steady[:third], steady[-third:]))
        if last > MAY_GROW * first and not (name == "latency_p95_ms" and last <= LEAST_LATENCY_MS):
            found.append(f"{name} grew from {first} to {last}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=float, default=2000, help="events/s, in the mean over these minutes")
    given = parser.parse_args()
    rate = day_rate(given.rate, datetime.now(UTC), given.minutes)
    minutes: list[Minute] = []
    print(*(field.name for field in fields(Minute)), sep=",")  # noqa: T201
    with throwaway_stack((*SERVERS, "spark", "producer"), producer_rate=rate, producer_backfill_minutes=0) as stack:
        began = time.monotonic()
        for minute in range(1, given.minutes + 1):
            time.sleep(max(0.0, began + 60 * minute - time.monotonic()))
            minutes.append(look(stack, minute))
            print(*astuple(minutes[-1]), sep=",", flush=True)  # noqa: T201
        verdict = verify(stack.settings)
    found = grown(minutes)
    print(verdict, *found, sep="\n")  # noqa: T201
    return 0 if verdict.exact and not found else 1


if __name__ == "__main__":
    sys.exit(main())
