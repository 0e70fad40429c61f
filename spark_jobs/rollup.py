"""What MySQL's rows become when MYSQL_RETENTION_DAYS have passed: rows of hours, kept for MYSQL_HOURS_RETENTION_DAYS.

Rows are moved, not copied: one transaction adds an hour's rows up into the tables of hours and deletes them. So what
happened is in one of the two and never in both, whatever is killed, and whatever comes late: a dead letter that is
replayed after weeks is merged by the minute, and moved when this looks again.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from threading import Condition, Thread
from typing import Any, NamedTuple

from mysql.connector.abstracts import MySQLConnectionAbstract

import contracts
from settings import Settings
from spark_jobs import domains
from spark_jobs.merge import Hours, Table
from spark_jobs.sinks.mysql import delete_older
from stores import mysql
from stores.hour import HOUR, hour_of
from stores.outage import Outage

log = logging.getLogger(__name__)


def tables(domain: str) -> list[Table]:
    """The tables of a domain whose rows become hours."""
    return [table for table in domains.tables(domain) if table.hours]


def tables_of_hours(domain: str) -> list[Hours]:
    """The tables of hours that these become."""
    return [hours for table in tables(domain) for hours in table.hours]


class Ages(NamedTuple):
    """Rows older than `minutes` become hours, and hours older than `hours` go (UTC, naive, beginnings of hours)."""

    minutes: datetime
    hours: datetime


def ages(settings: Settings, caught_up_at: datetime) -> Ages:
    """Where all that was appended before `caught_up_at` (UTC, naive) is merged.

    What can still come of an event, or of the visit that it belongs to, comes within the contract's bounds: until then
    rows are rows of minutes, however short the retention.
    """
    minutes = max(timedelta(days=settings.mysql_retention_days), contracts.load(settings.domain).remembered + HOUR)
    hours = max(timedelta(days=settings.mysql_hours_retention_days), minutes)
    return Ages(hour_of(caught_up_at - minutes), hour_of(caught_up_at - hours))


def run(connection: MySQLConnectionAbstract, domain: str, before: datetime) -> None:
    """Moves all rows that are older than `before` (UTC, naive, an hour's beginning), an hour of a table at a time.

    Raises Outage.
    """
    with mysql.transaction(connection) as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # whatever the server's own is
        # First: from here on minutes may be gone that are older.
        cursor.execute("UPDATE coverage SET minutes_from = GREATEST(minutes_from, %s)", (before,))
    for table in tables(domain):
        moved = 0
        while hour := oldest(connection, table, before):
            with mysql.transaction(connection) as cursor:
                move(cursor, table, hour)
            moved += 1
        if moved:
            log.info("%s: %d hours up to %s are kept as hours", table.name, moved, before.strftime("%Y-%m-%d %H:00"))


def oldest(connection: MySQLConnectionAbstract, table: Table, before: datetime) -> datetime | None:
    """The first hour (UTC, naive) with rows before that time, None where there are none. Raises Outage."""
    statement = f"SELECT MIN({table.expires_by}) FROM {table.name}"  # noqa: S608 - names only, as below
    [(first,)] = mysql.query(connection, statement)
    return hour_of(first) if first and first < before else None


def move(cursor: Any, table: Table, hour: datetime) -> None:
    """Adds the rows of an hour up into the table's tables of hours, and deletes them."""
    in_hour = f"{table.expires_by} >= %s AND {table.expires_by} < %s"
    # What is added up is locked with the gaps between, at this level of isolation: no row comes in before the deletion.
    for hours in table.hours:
        cursor.execute(addition(hours, in_hour), (hour, hour, hour + HOUR))
    cursor.execute(f"DELETE FROM {table.name} WHERE {in_hour}", (hour, hour + HOUR))  # noqa: S608


def addition(hours: Hours, condition: str) -> str:
    """The statement that adds rows up into a table of hours; its parameters are the hour and those of the condition."""
    into = hours.name
    values = [
        "%s AS minute",
        *hours.key,
        *(f"SUM({name}) AS {name}" for name in hours.sum),
        *(f"MAX({name}) AS {name}" for name in hours.maximum),
    ]
    merged = [
        *(f"{name} = {into}.{name} + new.{name}" for name in hours.sum),
        *(f"{name} = GREATEST({into}.{name}, new.{name})" for name in hours.maximum),
    ]
    return (
        f"INSERT INTO {into} ({', '.join(hours.columns)}) SELECT * FROM (SELECT {', '.join(values)} "  # noqa: S608
        f"FROM {hours.of} WHERE {condition} GROUP BY {', '.join(hours.key)}) AS new "
        f"ON DUPLICATE KEY UPDATE {', '.join(merged)}"
    )


def forget(connection: MySQLConnectionAbstract, domain: str, before: datetime) -> None:
    """Deletes the hours that are older than `before` (UTC, naive, an hour's beginning). Raises Outage."""
    with mysql.transaction(connection) as cursor:  # first: what may be incomplete is not counted on any more
        cursor.execute("UPDATE coverage SET hours_from = GREATEST(hours_from, %s)", (before,))
    for table in tables_of_hours(domain):
        for _ in delete_older(connection, table.name, "minute", before):
            pass


class Background:
    """Does this beside the stream, in a thread with a connection of its own: no micro-batch waits for it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._thread: Thread | None = None
        self._wanted: Ages | None = None
        self._closed = False
        self._failure: Exception | None = None
        self._asked = Condition()

    def ask(self, wanted: Ages) -> None:
        """Has rows of these ages moved. Raises what went wrong the last time, but for outages: those are over later."""
        with self._asked:
            if self._failure:
                raise self._failure
            self._wanted = wanted
            self._asked.notify()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="rollup", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Returns when what was asked for last is done, and nothing moves any more."""
        with self._asked:
            self._closed = True
            self._asked.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._wanted or self._closed)
                wanted, self._wanted = self._wanted, None
            if wanted is None:
                return
            try:
                once(self.settings, wanted)
            except Outage as outage:
                log.warning("old rows stay as they are for now: %s", outage)
            except Exception as failure:
                with self._asked:
                    self._failure = failure
                return


def once(settings: Settings, wanted: Ages) -> None:
    """Moves and deletes what has come to these ages. Raises Outage."""
    with mysql.connected(settings, "spark", settings.domain) as connection:
        with mysql.transaction(connection) as cursor:  # while the first one is there
            cursor.execute(
                "UPDATE coverage SET first_commit = (SELECT MIN(committed_at) FROM batches) WHERE first_commit IS NULL"
            )
        run(connection, settings.domain, wanted.minutes)
        forget(connection, settings.domain, wanted.hours)
