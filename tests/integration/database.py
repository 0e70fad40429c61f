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
