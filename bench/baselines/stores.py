"""The stores of the baselines: a database and a keyspace of their own, beside the domain's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from cassandra.cluster import Session

import contracts
from settings import Settings
from stores import cassandra, mysql

NAME = "baseline"
DIMENSIONS = ("event_name", "country", "device", "source")
"""One table of sums a minute for each."""
TABLE = """
CREATE TABLE by_{dimension} (
  minute DATETIME NOT NULL, {dimension} VARCHAR(64) NOT NULL, events BIGINT NOT NULL, revenue_cents BIGINT NOT NULL,
  PRIMARY KEY (minute, {dimension})
)"""
EVENTS = """
CREATE TABLE plain_events (
  event_id uuid PRIMARY KEY, occurred_at timestamp, event_name text, session_id uuid, country text, device text,
  payload text
)"""
INSERT = (
    "INSERT INTO plain_events (event_id, occurred_at, event_name, session_id, country, device, payload) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
UPSERT = (
    "INSERT INTO by_{dimension} VALUES (%s, %s, %s, %s) AS new "
    "ON DUPLICATE KEY UPDATE events = {events}, revenue_cents = {revenue_cents}"
)
COUNT_UP = {  # dimension -> the statement that adds to its sums
    name: UPSERT.format(
        dimension=name,
        events=f"by_{name}.events + new.events",
        revenue_cents=f"by_{name}.revenue_cents + new.revenue_cents",
    )
    for name in DIMENSIONS
}
REPLACE = {  # dimension -> the statement that puts sums in the place of older ones
    name: UPSERT.format(dimension=name, events="new.events", revenue_cents="new.revenue_cents") for name in DIMENSIONS
}
Sums = dict[tuple[object, str], tuple[int, int]]
"""(minute, value of the dimension) -> events, cents of purchases."""


def row(event: Mapping[str, Any], payload: bytes) -> tuple[object, ...]:
    """The values of INSERT."""
    return (
        UUID(event["event_id"]),
        datetime.fromisoformat(event["occurred_at"]),
        event["event_name"],
        UUID(event["session_id"]),
        event["country"],
        event["device"],
        payload.decode(),
    )


def counted(event: Mapping[str, Any]) -> Iterator[tuple[str, datetime, str, int]]:
    """What an event adds one to: dimension, minute, value; and the cents that it adds."""
    minute = datetime.fromisoformat(event["occurred_at"]).replace(second=0, microsecond=0, tzinfo=None)
    values = {**event, "source": event.get("utm_source") or "(direct)"}
    cents = event["reporting_value"] if event["event_name"] == "purchase" else 0
    for dimension in DIMENSIONS:
        yield dimension, minute, values[dimension], cents


def empty(settings: Settings) -> None:
    """Makes both anew."""
    with mysql.connected(settings, "root") as connection, connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME}")
        cursor.execute(f"CREATE DATABASE {NAME}")
        cursor.execute(f"USE {NAME}")
        for dimension in DIMENSIONS:
            cursor.execute(TABLE.format(dimension=dimension))
    with cassandra.connected(settings, "admin") as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {NAME}", timeout=60)
        session.execute(
            f"CREATE KEYSPACE {NAME} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        )
        session.set_keyspace(NAME)
        session.execute(EVENTS)
        for script in cassandra.scripts(contracts.load(settings.domain), ttl_seconds=0):
            for statement in cassandra.statements(script):
                session.execute(statement)


def archived(session: Session, table: str) -> int:
    """The rows of a table of the keyspace."""
    return session.execute(f"SELECT COUNT(*) FROM {NAME}.{table}", timeout=120).one()[0]  # noqa: S608 - names only


def sums(settings: Settings, dimension: str) -> Sums:
    """What is in one of the tables."""
    with mysql.connected(settings, "root", NAME) as connection:
        rows = mysql.query(connection, f"SELECT minute, {dimension}, events, revenue_cents FROM by_{dimension}")  # noqa: S608
    return {(minute, value): (int(events), int(cents)) for minute, value, events, cents in rows}
