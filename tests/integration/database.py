"""A database that a test has for itself, on the session's MySQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from settings import Settings
from stores import mysql


@contextmanager
def own_database(settings: Settings, name: str) -> Iterator[Any]:
    """A root's cursor in it, in UTC and with every statement committed; it is gone afterwards."""
    with mysql.connected(settings, "root") as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {name} COLLATE utf8mb4_0900_bin")
        try:
            cursor.execute(f"USE {name}")
            yield cursor
        finally:
            cursor.execute(f"DROP DATABASE {name}")


@contextmanager
def database_of(settings: Settings, domain: str, name: str) -> Iterator[Any]:
    """As `own_database`, with the functions, tables and views of a domain, empty."""
    with own_database(settings, name) as cursor:
        for script in (mysql.script_of("statistics").read_text(), *mysql.scripts(domain)):
            mysql.run_script(cursor, script)
        mysql.make_views(cursor, domain)
        yield cursor


@contextmanager
def undone(cursor: Any) -> Iterator[None]:
    """What is written meanwhile is gone afterwards."""
    cursor.execute("START TRANSACTION")
    try:
        yield
    finally:
        cursor.execute("ROLLBACK")
