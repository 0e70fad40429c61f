"""What becomes of MySQL's rows as they grow old.

An hour is sealed when nothing can come of it any more: then its rows of minutes are added up into rows of hours. Both
stay: the minutes for MYSQL_RETENTION_DAYS, the hours for MYSQL_HOURS_RETENTION_DAYS. All tables of an hour go
together, in one transaction, and `coverage` says how far this has come: whatever is killed, what there is by minute and
by hour is whole. Rows that become no hours go when they are old.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Condition, Thread
from typing import Any, NamedTuple

from mysql.connector.abstracts import MySQLConnectionAbstract

import contracts
from settings import Settings
from spark_jobs import domains
from spark_jobs.merge import Hours, Table
from spark_jobs.sinks import hours
from spark_jobs.sinks.mysql import delete_older
from stores import coverage, mysql
from stores.hour import hour_of, hours_between
from stores.retry import Unavailable

log = logging.getLogger(__name__)

Step = Callable[[Any, Sequence[Table], datetime], None]


def tables(domain: str) -> list[Table]:
    """The tables of a domain whose rows become hours."""
    return [table for table in domains.tables(domain) if table.hours]


def tables_of_hours(domain: str) -> list[Hours]:
    """The tables of hours that these become."""
    return [into for table in tables(domain) for into in table.hours]


class Ages(NamedTuple):
    """Hours before `sealed` are added up, rows of minutes go that are older than `minutes`, and hours that are older
    than `hours` (UTC, naive, beginnings of hours)."""

    sealed: datetime
    minutes: datetime
    hours: datetime


def ages(settings: Settings, caught_up_at: datetime) -> Ages:
    """Where all that was appended before `caught_up_at` (UTC, naive) is merged."""
    sealed = hour_of(caught_up_at - contracts.load(settings.domain).remembered)
    minutes = min(sealed, kept_from(settings, caught_up_at))
    hours = min(minutes, hour_of(caught_up_at - timedelta(days=settings.mysql_hours_retention_days)))
    return Ages(sealed, minutes, hours)


def kept_from(settings: Settings, caught_up_at: datetime, keep_days: int = 0) -> datetime:
    """From when on there are rows that become no hours, of a table that keeps them for `keep_days` at least (UTC,
    naive, an hour's beginning), where all that was appended before `caught_up_at` is merged."""
    return hour_of(caught_up_at - timedelta(days=max(settings.mysql_retention_days, keep_days)))


def begin(settings: Settings) -> None:
    """Makes tables of before what `run` expects. Raises Unavailable."""
    with (
        mysql.connected(settings, "spark", settings.domain) as connection,
        mysql.transaction(connection) as cursor,
    ):
        hours.begin(cursor, tables(settings.domain))


def run(connection: MySQLConnectionAbstract, domain: str, sealed: datetime, minutes: datetime) -> None:
    """Adds up the hours before `sealed` that were not, and deletes the minutes of hours before `minutes`, which must
    not be later; an hour at a time (UTC, naive, beginnings of hours). Raises Unavailable."""
    with mysql.transaction(connection) as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # whatever the server's own is
        reach = coverage.read(cursor)
    each(connection, domain, hours.seal, (reach.hours_until, sealed), "added up")
    each(connection, domain, hours.expire, (reach.minutes_from, minutes), "kept as hours alone")


def each(
    connection: MySQLConnectionAbstract, domain: str, do: Step, span: tuple[datetime, datetime], said: str
) -> None:
    """Does something with each hour of a span, all tables of it in one transaction."""
    since, until = span
    for hour in hours_between(since, until):
        with mysql.transaction(connection) as cursor:
            do(cursor, tables(domain), hour)
    if since < until:
        log.info("%s: hours up to %s are %s", domain, until.strftime("%Y-%m-%d %H:00"), said)


def forget(connection: MySQLConnectionAbstract, domain: str, before: datetime) -> None:
    """Deletes the hours that are older than `before` (UTC, naive, an hour's beginning). Raises Unavailable."""
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
        """Has this done. Raises what went wrong the last time, but for outages: those are over later."""
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
            except Unavailable as outage:
                log.warning("old rows stay as they are for now: %s", outage)
            except Exception as failure:
                with self._asked:
                    self._failure = failure
                return


def once(settings: Settings, wanted: Ages) -> None:
    """Adds up and deletes what has come to these ages. Raises Unavailable."""
    with mysql.connected(settings, "spark", settings.domain) as connection:
        with mysql.transaction(connection) as cursor:
            hours.begin(cursor, tables(settings.domain))
            cursor.execute(  # while the first one is there
                "UPDATE coverage SET first_commit = (SELECT MIN(committed_at) FROM batches) WHERE first_commit IS NULL"
            )
        run(connection, settings.domain, wanted.sealed, wanted.minutes)
        forget(connection, settings.domain, wanted.hours)
