"""What verify compares between MySQL's tables: a row that only one of them has is found, in each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit import aggregated
from local.native.stack import Stack
from settings import DOMAINS
from spark_jobs import rollup
from stores import mysql
from stores.hour import HOUR
from tests.integration.database import own_database

pytestmark = pytest.mark.integration

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
SPAN = (NOON, NOON + HOUR)
PLACES = [
    (domain, name, stem, by_hour)
    for domain in DOMAINS
    for name, tables in aggregated.checks(domain).items()
    for by_hour in (False, True)
    if not by_hour or {f"{stem}_by_hour" for stem in tables} <= {of.name for of in rollup.tables_of_hours(domain)}
    for stem in tables
]
"""By hour what is in tables that have hours."""


@pytest.fixture(scope="module")
def cursors(stack: Stack) -> Iterator[dict[str, Any]]:
    """Domain -> a cursor in empty tables of it."""
    with ExitStack() as databases:
        cursors = {}
        for domain in {domain for domain, *_ in PLACES}:
            cursors[domain] = cursor = databases.enter_context(own_database(stack.settings, f"{domain}__checked"))
            cursor.execute("SET SESSION sql_mode = ''")  # what is left out has its type's zero
            for script in mysql.scripts(domain):
                mysql.run_script(cursor, script)
        yield cursors


@pytest.mark.parametrize(("domain", "name", "stem", "by_hour"), PLACES)
def test_what_one_table_alone_has_is_found(
    cursors: dict[str, Any], domain: str, name: str, stem: str, by_hour: bool
) -> None:
    cursor, table = cursors[domain], f"{stem}_by_{'hour' if by_hour else 'minute'}"
    cursor.execute(f"SHOW COLUMNS FROM {table}")
    numbers = [row[0] for row in cursor.fetchall() if row[1] == "bigint"]
    of_event = aggregated.checks(domain)[name][stem].partition("event_name")[2].split("'")[1:2] or ["search"]
    values = {"minute": NOON + timedelta(minutes=0 if by_hour else 7)} | dict.fromkeys(numbers, 3)
    values |= {"event_name": of_event[0]} if stem == "events" else {}
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})", tuple(values.values())
    )
    try:
        pairs = [pair for pair in aggregated.pairs(cursor, domain, SPAN, by_hour) if pair[0].startswith(f"{name} (")]
        assert any(one != other for _, one, other in pairs)
        assert not any(
            one != other for _, one, other in aggregated.pairs(cursor, domain, (NOON + HOUR, NOON + 2 * HOUR))
        )
    finally:
        cursor.execute(f"DELETE FROM {table}")
