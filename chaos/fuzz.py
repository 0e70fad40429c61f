"""`make fuzz`: damaged records through the validator, a million of them, and what it finds good through all behind it.

Records of a simulated shop are damaged at random: bytes flipped, cut out, doubled and put in; fields dropped, renamed,
doubled and given values that a sender's mistake or malice could give them. Each must get one verdict with a reason, the
same alone as among others, and a good one must go through to the rows of all tables. The same seed gives the same
records.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import polars as pl

import contracts
from producer.faults import Rates
from producer.simulate import Simulation, simulate
from spark_jobs import aggregate, domains
from spark_jobs.dedup import Dedup
from spark_jobs.merge import as_json, upsert
from spark_jobs.sinks import cassandra
from spark_jobs.slices import digests

START = datetime(2026, 3, 14, 15, 9, 26, tzinfo=UTC)
DOMAIN = "ecommerce"
TOGETHER = 5000
ALONE = 25
"""Of so many validated together, so many are validated alone once more."""

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 255, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, 10**400),
    *(0.0, -0.0, 0.5, 1e308, 1e-320, float("nan"), float("inf")),
    *("", " ", "\0", "0", "-1", "1e3", "NaN", "null", "true", "\ud83d", "é", "e\u0301", "\u202e", "💶", "x" * 300),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T00:00:00Z", "2026-03-14T15:09:26"),
    *("2026-03-14T15:09:26+14:00", "2026-03-14t15:09:26z", "2026-03-14T15:09:60Z", "1e9", "2026-03-14"),
    *("00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "{0b3f4e6a}"),
    *([], [[]], [None], [{}], {}, {"": {}}, {"a": [1, {"b": None}]}, "'; DROP TABLE events; --", "%s", "{}"),
)


def with_damaged_field(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The event with one field of it, or of one of its items, dropped, renamed or given another value."""
    event = dict(event)
    items = event.get("items")
    if isinstance(items, list) and items and isinstance(items[-1], dict) and chance.random() < 0.4:
        damaged = [*items[:-1], with_damaged_field(items[-1], chance)]
        return event | {"items": damaged * chance.choice((1, 1, 1, 2, 50))}
    if not event:
        return event
    name = chance.choice(list(event))
    match chance.randrange(6):
        case 0:
            del event[name]
        case 1:
            event[name.upper()] = event.pop(name)
        case 2:
            event[name] = event[chance.choice(list(event))]
        case _:
            event[name] = chance.choice(STRANGE)
    return event


def with_damaged_bytes(value: bytes, chance: random.Random) -> bytes:
    """The record with some bytes flipped, cut out, doubled or put in."""
    damaged = bytearray(value)
    for _ in range(chance.choice((1, 1, 2, 8))):
        start = chance.randrange(len(damaged) + 1)
        end = min(len(damaged), start + chance.choice((1, 1, 2, 16, 400)))
        match chance.randrange(5):
            case 0:
                damaged[start:end] = bytes(byte ^ (1 << chance.randrange(8)) for byte in damaged[start:end])
            case 1:
                del damaged[start:end]
            case 2:
                damaged[start:start] = damaged[start:end]
            case 3:
                damaged[start:start] = chance.choice(
                    (b"[" * 2000, b'{"a":' * 500, b"\xff\xfe", b"\0", b"\\u0000", b"9" * 40)
                )
            case 4:
                del damaged[start:]
    return bytes(damaged)


def damaged_records(seed: int) -> Iterator[bytes]:
    """Endless."""
    chance = random.Random(seed)  # noqa: S311 - nothing here is a secret
    for record in simulate(Simulation(DOMAIN, seed, START, 200.0, Rates())):
        event = json.loads(record.value)
        for _ in range(8):
            if chance.random() < 0.7:
                changed = event
                for _ in range(chance.choice((1, 1, 1, 2, 4))):
                    changed = with_damaged_field(changed, chance)
                yield json.dumps(changed, ensure_ascii=chance.random() < 0.5).encode(errors="surrogatepass")
            else:
                yield with_damaged_bytes(record.value, chance)


def verdicts(seed: int, count: int) -> Iterator[Counter[str]]:
    """Validates `count` records and sends the good ones on; yields, for some at a time, how many had which verdict.

    Raises whatever the validator or something behind it raises, and AssertionError for a verdict that is none.
    """
    validator, alone = domains.validator(DOMAIN), domains.validator(DOMAIN)
    archives, tables = domains.raw_tables(DOMAIN), aggregate.domain_tables(DOMAIN)
    archive_keys = ["occurred_at", *dict.fromkeys(name for archive in archives for name in archive.clustering)]
    archiving = domains.validator(DOMAIN, list(dict.fromkeys(archive_keys)))
    chance = random.Random(seed)  # noqa: S311
    records = damaged_records(seed)
    while values := list(islice(records, min(TOGETHER, count))):
        count -= len(values)
        at = pl.Series([START] * len(values), dtype=pl.Datetime("us", "UTC"))
        verdict = validator.validate(values, at)
        check(verdict.height == len(values), "as many verdicts as records")
        reasons, details = verdict["reject"], verdict["reject_detail"]
        check((reasons.is_null() == details.is_null()).all(), "a reason in words for each reject")
        check(reasons.equals(archiving.validate(values, at)["reject"]), "archive and aggregates validate alike")
        for row in chance.sample(range(len(values)), min(ALONE, len(values))):
            check(
                alone.validate([values[row]], at[:1]).equals(verdict[row : row + 1]),
                f"alone as together: {values[row]!r}",
            )
        received = pl.Series("value", values), digests(values, reasons)
        good = verdict.with_columns(received).filter(reasons.is_null())
        raw = archiving.validate(values, at).with_columns(received).filter(reasons.is_null())
        for archive in archives:
            cassandra.rows(archive, raw)
        events = Dedup(contracts.load(DOMAIN).business_key).outcomes(aggregate.with_minute(good))
        check(events["outcome"].null_count() == 0, "each good event counts, or it is said why not")
        for table in tables:
            _, rows = aggregate.rows_of(table, events)
            upsert(table, rows.schema)
            as_json(rows.select(table.columns))
        yield Counter(reason or "good" for reason in reasons)


def check(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos.fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    total: Counter[str] = Counter()
    began = time.monotonic()
    for counted in verdicts(given.seed, given.records):
        total += counted
        print(f"\r{total.total():>10} of {given.records} records", end="", file=sys.stderr, flush=True)  # noqa: T201
    print(file=sys.stderr)  # noqa: T201
    for reason, count in total.most_common():
        print(f"{count:>10} {reason}")  # noqa: T201
    seconds = time.monotonic() - began
    print(f"seed {given.seed}: {total.total()} damaged records validated in {seconds:.0f} s, no crash")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
