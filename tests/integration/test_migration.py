"""Tables of an older schema, with data in them, become what the schema files say by now."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cassandra.cluster import Session

import contracts
from local.native.stack import Stack
from settings import ROOT
from stores import cassandra, mysql
from stores.migration import definitions
from tests.integration.database import own_database

pytestmark = pytest.mark.integration

NAME = "migrated"
TABLES = (ROOT / "mysql" / "ecommerce.sql").read_text()
NEW = ("experiment", "variant", "landing_page", "first_order_at", "seen_minute", "refund_units")


def with_old_names(tables: str) -> str:
    """Statements that make tables whose columns are called as they were before."""

    def of(table: str) -> str:
        for name, before in re.findall(r"^  (\w+) .*\(was `(\w+)`\)", table, re.MULTILINE):
            table = re.sub(rf"\b{name}\b", before, table)
        return table

    return "".join(map(of, re.split(r"(?=CREATE TABLE)", tables)))


MINUTES = with_old_names(TABLES.partition("\n-- What the rows above are added up into")[0])
OLDER = re.sub(rf"  ({'|'.join(NEW)}) .*\n|  KEY by_\w+ [^)]*\),?\n", "", MINUTES).replace(
    "PRIMARY KEY (session_id),",
    "slot INT AS (TO_SECONDS(last_seen) DIV 300) VIRTUAL, KEY by_slot (slot), PRIMARY KEY (session_id)",
)
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
DEADLINE_S = 20.0


@pytest.fixture
def cursor(stack: Stack) -> Iterator[Any]:
    with own_database(stack.settings, NAME) as cursor:
        yield cursor


def shown(cursor: Any, table: str) -> str:
    cursor.execute(f"SHOW CREATE TABLE {table}")
    return cursor.fetchone()[1]


def test_mysql_gets_new_columns_and_keeps_its_rows(cursor: Any) -> None:
    mysql.run_script(cursor, OLDER)
    mysql.run_script(cursor, TABLES)  # as every start does: makes what is missing, the tables of hours like the others
    assert "experiment" not in shown(cursor, "sessions")
    old = {"session_id": bytes(16), "first_seen": NOON, "last_seen": NOON, "country": "DE", "device": "mobile"}
    old |= {"source": "google", "currency": "EUR", "was_known": 1, "furthest_step": 5, "promotion": ""}
    old |= dict.fromkeys(("events", "views", "cart_cents", "payment_failures", "orders", "order_cents"), 7)
    old["refund_cents"] = 9
    marks = ", ".join(["%s"] * len(old))
    cursor.execute(f"INSERT INTO sessions ({', '.join(old)}) VALUES ({marks})", tuple(old.values()))

    said: list[str] = []
    mysql.migrate(cursor, NAME, [TABLES], said.append)
    assert [statement.split()[3] for statement in said] == [
        f"{NAME}.{table}" for table in ("items_by_hour", "items_by_minute", "sessions")
    ]
    columns = "country, orders, order_value_cents, refund_value_cents, experiment, first_order_at, bounced"
    cursor.execute(f"SELECT {columns} FROM sessions")
    assert cursor.fetchall() == [("DE", 7, 7, 9, "", None, 0)]
    migrated = definitions(shown(cursor, "sessions"))
    cursor.execute("DROP TABLE sessions")
    mysql.run_script(cursor, TABLES)
    assert migrated == definitions(shown(cursor, "sessions"))

    mysql.migrate(cursor, NAME, [TABLES], said.append)
    assert len(said) == 3, "the second time there is nothing to do"


def test_mysql_renames_columns_that_indexes_have(cursor: Any) -> None:
    mysql.run_script(cursor, with_old_names(TABLES))
    assert "order_cents`,`first_order_at" in shown(cursor, "sessions")
    cursor.execute("INSERT INTO promoted_orders_by_hour VALUES (%s, 'DE', '', '', '', '', 1, 4200)", (NOON,))
    mysql.migrate(cursor, NAME, [TABLES], lambda _: None)
    cursor.execute("SELECT order_value_cents FROM promoted_orders_by_hour")
    assert cursor.fetchall() == [(4200,)]
    migrated = definitions(shown(cursor, "sessions"))
    cursor.execute("DROP TABLE sessions")
    mysql.run_script(cursor, TABLES)
    assert migrated == definitions(shown(cursor, "sessions"))


@pytest.fixture
def session(stack: Stack) -> Iterator[Session]:
    with cassandra.connected(stack.settings, "admin") as session:
        try:
            yield session
        finally:
            session.execute(f"DROP KEYSPACE IF EXISTS {NAME}")


def test_cassandra_gets_new_columns_and_options_and_keeps_its_rows(stack: Stack, session: Session) -> None:
    contract = contracts.load(stack.settings.domain)
    older = [each.replace("  rejected       bigint,\n", "") for each in cassandra.scripts(contract, 86400)]
    newer = cassandra.scripts(contract, 172800)
    cassandra.create(session, NAME, older)
    assert "rejected" not in cassandra.tables(session, NAME)["checkpoints"].columns
    session.execute("INSERT INTO checkpoints (query, records) VALUES ('archive', 5)")
    columns = "minute, shard, session_id, occurred_at, event_id, payload"
    session.execute(
        f"INSERT INTO events ({columns}) VALUES (%s, 1, %s, %s, %s, 'x')", (NOON, UUID(int=1), NOON, UUID(int=2))
    )
    said: list[str] = []
    cassandra.migrate(session, NAME, newer, said.append)
    assert f"Cassandra: ALTER TABLE {NAME}.checkpoints ADD (rejected bigint)" in said
    [row] = session.execute(f"SELECT records, rejected FROM {NAME}.checkpoints")
    assert (row.records, row.rejected) == (5, None)
    [row] = session.execute(f"SELECT payload FROM {NAME}.events")
    assert row.payload == "x"
    assert cassandra.tables(session, NAME)["events"].options["default_time_to_live"] == 172800

    before, started = len(said), time.monotonic()
    cassandra.migrate(session, NAME, newer, said.append)
    assert len(said) == before, "the second time there is nothing to do"
    assert time.monotonic() - started < DEADLINE_S
