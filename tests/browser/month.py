"""A month of a shop before a stack's own, as the pipeline keeps one: in the ledger, in Cassandra and in MySQL.

Its events are simulated, validated and written by the pipeline's own functions; Kafka alone never had them. The shop
is a quiet one, but for the hours that nothing has sealed yet: in these it is as busy as the default one. All is written
as if it came this moment; hours are added up and old minutes deleted afterwards.

Run as a program by `load`: what writes into Cassandra goes by the settings of its process.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

import polars as pl

import contracts
from audit.hours import CLOCKS_DIFFER
from local.native.stack import Stack
from producer.domains.ecommerce.load_curve import day_rate
from producer.faults import Rates
from producer.ledger import Ledger, entry
from producer.records import Record
from producer.simulate import Simulation, simulate
from settings import ROOT, Settings, as_environment
from settings import load as load_settings
from spark_jobs import aggregate, domains, rollup
from spark_jobs.sinks import cassandra as archive
from spark_jobs.sinks.mysql import merge_rows
from spark_jobs.slices import digests
from stores import mysql
from stores.hour import HOUR, hour_of
from tests.unit.events import when_sent

log = logging.getLogger(__name__)

LASTS = timedelta(days=29, hours=12)
"""Half a day less than Cassandra keeps events by default."""
QUIET, BUSY = 0.5, 200.0
"""Events a second: of the quiet shop in the mean over a day, of the busy one in the last hour."""
SEED = 20_260_501
AT_ONCE = 50_000  # events
WRITERS = 6
"""A quiet shop's partitions are small: what is written waits for Cassandra, not for a core."""
GOOD_ONES = Rates()


@dataclass(frozen=True)
class Loaded:
    """How many events there were, and how long it took to make hours of old minutes."""

    events: int
    rollup_s: float


def load(stack: Stack) -> Loaded:
    """Puts a month before a stack's events, whose producer rests; Spark rests meanwhile. Takes some ten minutes."""
    settings = stack.settings
    stack.stop("spark")
    command = [sys.executable, "-m", "tests.browser.month"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **as_environment(settings)}, check=True)
    began = time.monotonic()
    rollup.once(settings, rollup.ages(settings, datetime.now(UTC).replace(tzinfo=None)))
    rollup_s = time.monotonic() - began
    with mysql.connected(settings, "root", settings.domain) as connection:
        tables = {table.name for table in domains.tables(settings.domain)}
        of_hours = {hours.name for hours in rollup.tables_of_hours(settings.domain)}
        mysql.query(connection, f"ANALYZE TABLE {', '.join(sorted(tables | of_hours))}")
    stack.start("spark")
    return Loaded(Ledger.read(settings.ledger_path).events, rollup_s)


def simulations(until: datetime, unsealed: timedelta) -> Iterator[tuple[Simulation, datetime]]:
    """What happened, and until when: a quiet month, and then the hours that are not sealed at `until`."""
    busy_from = hour_of(until - unsealed)
    since = hour_of(until - LASTS)
    yield Simulation("ecommerce", SEED, since, QUIET, GOOD_ONES), busy_from
    yield Simulation("ecommerce", SEED, busy_from, day_rate(BUSY, until - HOUR, 60), GOOD_ONES), until


def parts(simulation: Simulation, until: datetime) -> Iterator[list[Record]]:
    """Its records up to a time, some at once."""
    ends_ms = until.timestamp() * 1000
    records = takewhile(lambda record: record.at_ms < ends_ms, simulate(simulation))
    while part := list(islice(records, AT_ONCE)):
        yield part


def write(settings: Settings, connection: mysql.MySQLConnectionAbstract, ledger: Ledger, records: list[Record]) -> None:
    """Does with good events what the producer and both queries do with them."""
    ledger.settle((), map(entry, records), {})
    values = [record.value for record in records]
    events = domains.validator(settings.domain).validate(values, when_sent(records))
    assert events["reject"].is_null().all()
    archived = events.with_columns(digests(values, events["reject"]), pl.Series("value", values))
    tables = domains.raw_tables(settings.domain)
    with ThreadPoolExecutor(WRITERS) as writers:
        done = [writers.submit(archive.write, settings, tables, archived[at::WRITERS]) for at in range(WRITERS)]
        merge(settings, connection, events)
    for each in done:
        each.result()


def merge(settings: Settings, connection: mysql.MySQLConnectionAbstract, events: pl.DataFrame) -> None:
    with mysql.transaction(connection) as cursor:
        for table in aggregate.domain_tables(settings.domain):
            merge_rows(cursor, *aggregate.rows_of(table, events))
        cursor.execute(
            "UPDATE checkpoints SET records = records + %s, aggregated = aggregated + %s WHERE query = 'aggregate'",
            (events.height, events.height),
        )


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    settings, until = load_settings(), datetime.now(UTC).replace(second=0, microsecond=0)
    unsealed = contracts.load(settings.domain).max_late + CLOCKS_DIFFER + HOUR
    with (
        Ledger(settings.ledger_path) as ledger,
        mysql.connected(settings, "spark", settings.domain) as connection,
    ):
        for simulation, ends in simulations(until, unsealed):
            ledger.begin(simulation.identity)
            for records in parts(simulation, ends):
                write(settings, connection, ledger, records)
                log.info(
                    "a month: up to %s", datetime.fromtimestamp(records[-1].at_ms / 1000, UTC).isoformat(" ", "minutes")
                )
        since = hour_of(until - LASTS).replace(tzinfo=None)
        with mysql.transaction(connection) as cursor:
            for hours in rollup.tables_of_hours(settings.domain):
                cursor.execute(f"DELETE FROM {hours.name}")  # all are added up, with what came before their time
            cursor.execute(
                "UPDATE coverage SET hours_from = %s, minutes_from = %s, hours_until = %s, first_commit = %s",
                (since,) * 4,
            )


if __name__ == "__main__":
    main()
