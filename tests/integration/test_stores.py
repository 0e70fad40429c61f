"""Users may do what they need and no more, defaults open nothing, and the set-up can be run again."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from cassandra import Unauthorized
from cassandra.cluster import NoHostAvailable
from kafka import KafkaAdminClient
from mysql.connector import connect
from mysql.connector.errors import ProgrammingError

from local.native.stack import Stack
from settings import Settings
from stores import cassandra, kafka, mysql

pytestmark = pytest.mark.integration


def schema(settings: Settings) -> dict[str, object]:
    """All that the set-up makes, as the stores describe it."""
    found: dict[str, object] = {}
    with mysql.connected(settings, "root", settings.domain) as connection:
        databases = mysql.query(connection, "SHOW DATABASES")
        for (table,) in mysql.query(connection, "SHOW TABLES"):
            found[f"MySQL: {table}"] = mysql.query(connection, f"SHOW CREATE TABLE {table}")
        for user in mysql.GRANTS:
            found[f"MySQL: {user}"] = sorted(mysql.query(connection, f"SHOW GRANTS FOR {user}"))
    with cassandra.connected(settings, "admin") as session:
        for role in cassandra.GRANTS:
            found[f"Cassandra: {role}"] = sorted(map(tuple, session.execute(f"LIST ALL PERMISSIONS OF {role}")))
        found |= {f"Cassandra: {name}": table for name, table in cassandra.tables(session, settings.domain).items()}
    admin = KafkaAdminClient(bootstrap_servers=settings.kafka)
    found["Kafka"] = admin.describe_topics()
    admin.close()
    return found | {"MySQL": databases}


def test_the_set_up_changes_nothing_the_second_time(stack: Stack) -> None:
    before = schema(stack.settings)
    assert len(before) > 20
    said: list[str] = []
    for store in (mysql, cassandra, kafka):
        store.set_up(stack.settings, said.append)
    assert schema(stack.settings) == before
    assert not [line for line in said if "ALTER" in line or "made" in line]


ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
MOMENTS = (
    "1972-06-01 12:00:00",
    "2024-03-31 01:00:00",
    "2024-11-03 05:59:59",
    "2026-07-01 00:00:00",
    "2037-12-31 23:00:00",
)


@pytest.mark.parametrize("zone", ZONES)
def test_mysql_knows_time_zones(stack: Stack, zone: str) -> None:
    with mysql.connected(stack.settings, "reader", stack.settings.domain) as connection:
        for moment in MOMENTS:
            local = datetime.fromisoformat(moment).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
            [(there, back)] = mysql.query(
                connection, "SELECT CONVERT_TZ(%s, 'UTC', %s), CONVERT_TZ(%s, %s, 'UTC')", (moment, zone, local, zone)
            )
            assert str(there) == str(local), moment
            assert str(back) == moment


@pytest.mark.parametrize(
    ("user", "statement"),
    [
        ("spark", "DROP TABLE events_by_minute"),
        ("spark", "CREATE TABLE another (id INT)"),
        ("spark", "TRUNCATE TABLE events_by_minute"),
        ("spark", "ALTER TABLE events_by_minute ADD another INT"),
        ("spark", "SELECT * FROM superset.ab_user"),
        ("reader", "DELETE FROM events_by_minute"),
        ("reader", "INSERT INTO events_by_minute VALUES (NOW(), 'search', 1, 0)"),
        ("reader", "UPDATE events_by_minute SET amount = 0"),
        ("reader", "DROP TABLE events_by_minute"),
        ("reader", "CREATE VIEW another AS SELECT 1"),
        ("reader", "SELECT * FROM mysql.user"),
        ("reader", "SELECT * FROM superset.ab_user"),
        ("superset", "SELECT * FROM {domain}.events_by_minute"),
        ("superset", "DROP TABLE {domain}.events_by_minute"),
        ("superset", "CREATE USER another"),
    ],
)
def test_mysql_refuses(stack: Stack, user: str, statement: str) -> None:
    database = None if user == "superset" else stack.settings.domain
    with mysql.connected(stack.settings, user, database) as connection:
        cursor = connection.cursor()
        with pytest.raises(ProgrammingError, match=r"denied"):
            cursor.execute(statement.format(domain=stack.settings.domain))


@pytest.mark.parametrize(("user", "password"), [("root", ""), ("root", "root"), ("spark", ""), ("reader", "reader")])
def test_mysql_has_no_default_password(stack: Stack, user: str, password: str) -> None:
    settings = stack.settings
    with pytest.raises(ProgrammingError, match="Access denied"):
        connect(host=settings.mysql_host, port=settings.mysql_port, user=user, password=password)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("spark", "DROP TABLE events"),
        ("spark", "CREATE TABLE another (id int PRIMARY KEY)"),
        ("spark", "ALTER TABLE events ADD another int"),
        ("spark", "SELECT * FROM system_auth.roles"),
        ("reader", "INSERT INTO checkpoints (query, batch_id) VALUES ('archive', 0)"),
        ("reader", "TRUNCATE events"),
        ("reader", "DROP TABLE events"),
        ("reader", "SELECT * FROM system_auth.roles"),
        ("auditor", "INSERT INTO checkpoints (query, batch_id) VALUES ('archive', 0)"),
        ("auditor", "TRUNCATE events"),
        ("auditor", "DROP TABLE proven_hours"),
        ("spark", "CREATE ROLE another"),
    ],
)
def test_cassandra_refuses(stack: Stack, role: str, statement: str) -> None:
    with cassandra.connected(stack.settings, role, stack.settings.domain) as session, pytest.raises(Unauthorized):
        session.execute(statement)


@pytest.mark.parametrize(("role", "password"), [("cassandra", "cassandra"), ("admin", "admin"), ("spark", "spark")])
def test_cassandra_has_no_default_password(stack: Stack, role: str, password: str) -> None:
    with pytest.raises(NoHostAvailable, match=r"Bad credentials|not permitted to log in"):
        cassandra._open(stack.settings, role, password, None)
