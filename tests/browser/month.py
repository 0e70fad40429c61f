"""Thirty days of history before a shop's first minute, copied from its own rows, of which all but the last days become
hours: to see whether charts stay fast.

Some rows of the shop's first minutes over and over, so the month is that of a shop with a part of its rate. What
`make verify` counts is left alone: `events_by_minute`, and all minutes since the producer began.
"""

from __future__ import annotations

from datetime import UTC, datetime

from local.stack import Stack
from settings import Settings
from spark_jobs import rollup
from stores import mysql

DAYS = 30
MINUTES = 20
"""How much of the shop's history is copied, from its beginning on."""
COPIES = DAYS * 24 * 60 // MINUTES
AT_ONCE = 120  # copies
TABLES = {
    "sales_by_minute": ("minute", 50),
    "items_by_minute": ("minute", 50),
    "order_lines_by_minute": ("minute", 50),
    "payments_by_minute": ("minute", 50),
    "searches_by_minute": ("minute", 50),
    "pages_by_minute": ("minute", 50),
    "promotions_by_minute": ("minute", 50),
    "sessions": ("first_seen", 50),
    "batches": ("committed_at", 5),
    "latency_by_minute": ("minute", 20),
    "lateness_by_minute": ("minute", 1),
    "duplicates_by_minute": ("minute", 1),
    "progress_by_minute": ("minute", 1),
    "rejects_by_minute": ("minute", 1),
    "reject_samples_by_minute": ("minute", 1),
    "expectations_by_minute": ("minute", 1),
}
"""Tables that the dashboards read -> the column with a row's time, and every which row is copied."""
NEW_KEYS = {
    "session_id": "LEFT(UNHEX(SHA2(CONCAT(session_id, copies.n), 256)), 16)",
    "batch_id": "batch_id - 1000000 * copies.n",
}
"""Column -> what tells a copy from its original where the time does not."""


def load(settings: Settings) -> None:
    """Fills the tables, while Spark rests; takes about a minute."""
    stack = Stack(settings)
    stack.stop("spark")
    fill(settings)
    rollup.once(settings, rollup.ages(settings, datetime.now(UTC).replace(tzinfo=None)))
    with mysql.connected(settings, "root", settings.domain) as connection:
        of_hours = [hours.name for hours in rollup.tables_of_hours(settings.domain)]
        mysql.query(connection, f"ANALYZE TABLE {', '.join([*TABLES, *of_hours])}")
    stack.start("spark")


def fill(settings: Settings) -> None:
    connection = mysql.connect(settings, "root", settings.domain)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION unique_checks = 0")
        for table, (time, every) in TABLES.items():
            cursor.execute(f"SELECT MIN({time}) FROM {table}")
            [(first,)] = cursor.fetchall()
            cursor.execute(f"SHOW COLUMNS FROM {table} WHERE Extra NOT LIKE '%GENERATED%'")
            kinds = {column[0]: column[1] for column in cursor.fetchall()}
            copied = [
                f"{name} - INTERVAL copies.n * {MINUTES} MINUTE"
                if kind.startswith("datetime")
                else NEW_KEYS.get(name, name)
                for name, kind in kinds.items()
            ]
            for newest in range(1, COPIES + 1, AT_ONCE):
                cursor.execute(
                    f"INSERT INTO {table} ({', '.join(kinds)}) "
                    "WITH RECURSIVE copies AS (SELECT %(newest)s AS n UNION ALL "
                    "SELECT n + 1 FROM copies WHERE n < %(oldest)s), "
                    f"pattern AS (SELECT *, ROW_NUMBER() OVER (ORDER BY {time}) AS number FROM {table} "
                    f"WHERE {time} >= %(first)s AND {time} < %(first)s + INTERVAL {MINUTES} MINUTE) "
                    f"SELECT {', '.join(copied)} FROM copies, pattern WHERE number % %(every)s = 0",
                    {"newest": newest, "oldest": newest + AT_ONCE - 1, "first": first, "every": every},
                )
        cursor.execute(
            f"UPDATE coverage SET hours_from = hours_from - INTERVAL {DAYS} DAY,"
            f" first_commit = (SELECT MIN(committed_at) FROM batches)"
        )
    connection.close()
