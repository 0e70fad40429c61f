"""MySQL: connections, the schema of a domain and the users, each with the least it needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mysql.connector
from mysql.connector import errorcode
from mysql.connector.abstracts import MySQLConnectionAbstract

import passwords
from settings import ROOT, Settings
from stores import coverage, time_zones
from stores.migration import mysql_statement
from stores.retry import Unavailable

log = logging.getLogger(__name__)

METADATA_DATABASE = "superset"
COLLATION = "CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin"
"""Of a domain's database: binary and without padding; two categories are one only where every character is the same."""
GRANTS = {  # user -> what it may do; %d is the domain's database
    "spark": ("SELECT, INSERT, UPDATE, DELETE", "%d"),
    "reader": ("SELECT, SHOW VIEW, EXECUTE", "%d"),
    "superset": ("ALL PRIVILEGES", METADATA_DATABASE),
}
OUTAGES = {
    errorcode.ER_LOCK_DEADLOCK,
    errorcode.ER_LOCK_WAIT_TIMEOUT,
    errorcode.ER_OPTION_PREVENTS_STATEMENT,  # read-only
    errorcode.ER_SERVER_SHUTDOWN,
    errorcode.ER_CON_COUNT_ERROR,
    1021,  # disk full, which has no name here
    errorcode.ER_DISK_FULL_NOWAIT,
    errorcode.ER_RECORD_FILE_FULL,
    errorcode.ER_QUERY_INTERRUPTED,
    errorcode.CR_CONNECTION_ERROR,
    errorcode.CR_CONN_HOST_ERROR,
    errorcode.CR_SERVER_GONE_ERROR,
    errorcode.CR_SERVER_LOST,
    errorcode.CR_SERVER_LOST_EXTENDED,
    errorcode.ER_CLIENT_INTERACTION_TIMEOUT,
    errorcode.ER_OUT_OF_RESOURCES,
    errorcode.ER_SESSION_WAS_KILLED,
    -1,  # the driver's own: no connection
}


def is_outage(error: mysql.connector.Error) -> bool:
    """Whether the server is away or busy, as against a statement or a value that is wrong."""
    return error.errno in OUTAGES or isinstance(error, mysql.connector.errors.InterfaceError)


@contextmanager
def outages() -> Iterator[None]:
    """Turns the driver's errors that mean an outage into Unavailable."""
    try:
        yield
    except mysql.connector.Error as error:
        if is_outage(error):
            raise Unavailable(f"MySQL: {error}") from error
        raise


def connect(settings: Settings, user: str, database: str | None = None) -> MySQLConnectionAbstract:
    """A connection in UTC without autocommit; `user` is root, spark, reader or superset. Raises Unavailable."""
    with outages():
        return mysql.connector.connect(
            host=settings.mysql_host,
            port=settings.mysql_port,
            user=user,
            password=passwords.read(settings, f"mysql_{user}"),
            database=database,
            time_zone="+00:00",
            autocommit=False,
            connection_timeout=10,
            charset="utf8mb4",
            collation="utf8mb4_0900_bin",
        )


@contextmanager
def connected(settings: Settings, user: str, database: str | None = None) -> Iterator[MySQLConnectionAbstract]:
    """A connection that is closed at the end; see `connect`."""
    connection = connect(settings, user, database)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: MySQLConnectionAbstract) -> Iterator[Any]:
    """A cursor inside one transaction: committed at the end, rolled back where anything was raised. Raises
    Unavailable."""
    with outages():
        cursor = connection.cursor()
        try:
            connection.start_transaction()
            yield cursor
            connection.commit()
        except BaseException:
            if connection.is_connected():
                connection.rollback()
            raise
        finally:
            if connection.is_connected():
                cursor.close()


def query(connection: MySQLConnectionAbstract, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The rows of a SELECT, read in a transaction of its own so that it sees what is committed now. Raises
    Unavailable."""
    with transaction(connection) as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def run_script(cursor: Any, script: str) -> None:
    """Runs the statements of a .sql file."""
    cursor.execute(script)
    while cursor.nextset():
        pass


def script_of(stem: str) -> Path:
    return ROOT / "mysql" / f"{stem}.sql"


def run_file(cursor: Any, stem: str, report: Callable[[str], None]) -> None:
    run_script(cursor, script_of(stem).read_text())
    report(f"MySQL: applied {stem}.sql")


def set_up(settings: Settings, report: Callable[[str], None] = log.info) -> None:
    """Makes databases, users and tables where they are missing; changes nothing where they are there. Raises
    Unavailable."""
    domain = settings.domain
    with connected(settings, "root") as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{domain}` {COLLATION}")
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{METADATA_DATABASE}` COLLATE utf8mb4_0900_ai_ci")
        for user, (rights, database) in GRANTS.items():
            secret = passwords.read(settings, f"mysql_{user}")
            cursor.execute(f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY %s", (secret,))
            cursor.execute(f"ALTER USER '{user}'@'%' IDENTIFIED BY %s", (secret,))
            cursor.execute(f"GRANT {rights} ON `{database.replace('%d', domain)}`.* TO '{user}'@'%'")
        if names := time_zones.fill(cursor):
            report(f"MySQL: knows {names} time zones by name")
        cursor.execute(f"USE `{domain}`")
        for stem in ("statistics", "pipeline", domain):
            run_file(cursor, stem, report)
        migrate(cursor, domain, scripts(domain), report)
        if script_of(f"{domain}.upgrade").exists():
            run_file(cursor, f"{domain}.upgrade", report)
        make_views(cursor, domain, report)
        coverage.begin(cursor, settings, datetime.now(UTC).replace(tzinfo=None))
        connection.commit()


def make_views(cursor: Any, domain: str, report: Callable[[str], None] = log.info) -> None:
    for stem in ("pipeline.views", f"{domain}.views"):
        if script_of(stem).exists():
            run_file(cursor, stem, report)


def scripts(domain: str) -> list[str]:
    """What makes the tables of a domain."""
    return [script_of(stem).read_text() for stem in ("pipeline", domain)]


@contextmanager
def empty_database(cursor: Any, name: str, scripts: Iterable[str]) -> Iterator[None]:
    """Makes a database of this name, in place of one that is there, with what the scripts make, and uses it; drops it
    at the end. Raises Unavailable."""
    with outages():
        cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
        cursor.execute(f"CREATE DATABASE `{name}` {COLLATION}")
        try:
            cursor.execute(f"USE `{name}`")
            for script in scripts:
                run_script(cursor, script)
            yield
        finally:
            cursor.execute(f"DROP DATABASE `{name}`")


def migrate(cursor: Any, database: str, scripts: Iterable[str], report: Callable[[str], None] = log.info) -> None:
    """Makes the tables of a database what the scripts say; see stores/migration.py. Raises SchemaError."""
    declared = f"{database}__declared"
    with empty_database(cursor, declared, scripts):
        cursor.execute("SHOW TABLES")
        for (table,) in cursor.fetchall():
            pair = []
            for where in (database, declared):
                cursor.execute(f"SHOW CREATE TABLE `{where}`.`{table}`")
                pair.append(cursor.fetchone()[1])
            if statement := mysql_statement(f"{database}.{table}", *pair):
                cursor.execute(statement)
                report(f"MySQL: {statement}")
    cursor.execute(f"USE `{database}`")
