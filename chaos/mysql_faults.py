"""Faults of MySQL. While it is away the aggregates wait, and the archive goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chaos.fault import fault
from chaos.scene import Scene
from stores import mysql

WAITS = "the aggregates wait, with growing pauses, and say so; the archive goes on"
REPORTED = ("spark", r"outage for .*MySQL")
SCRATCH = "chaos"
HEAVY_ROWS = 20_000


@fault(happens="MySQL is killed", outcome=WAITS, reported=REPORTED)
def mysql_killed(scene: Scene) -> None:
    scene.hold(0, 3)
    scene.stack.kill("mysql")
    scene.stack.wait_ready("mysql")


@fault(happens="MySQL is away for 20 s", outcome=WAITS, to_do="mend MySQL", reported=REPORTED)
def mysql_down(scene: Scene) -> None:
    scene.stack.stop("mysql")
    scene.hold(10, 20)
    scene.stack.start("mysql")


@fault(
    happens="MySQL stands still for 15 s",
    outcome="the aggregates wait for its answer; the archive goes on",
    reported=("spark", r""),
)
def mysql_frozen(scene: Scene) -> None:
    with scene.frozen("mysql"):
        scene.hold(10, 15)


@contextmanager
def root(scene: Scene) -> Iterator[Any]:
    """A cursor of MySQL's root in the domain's database, in a transaction that is rolled back."""
    with mysql.connected(scene.settings, "root", scene.settings.domain) as connection:
        cursor = connection.cursor()
        yield cursor
        connection.rollback()


def rows(cursor: Any, statement: str) -> list[tuple]:
    cursor.execute(statement)
    return cursor.fetchall()


def lock_last_minutes(cursor: Any) -> None:
    """Locks the rows of `sales_by_minute` that the next micro-batch is going to change, and where new ones would go.

    It has changed `events_by_minute` by then: it is in the middle of its transaction.
    """
    rows(cursor, "SELECT minute FROM sales_by_minute WHERE minute >= NOW() - INTERVAL 3 MINUTE FOR UPDATE")


def waiting(cursor: Any) -> list[int]:
    """The connections of Spark's that wait for a lock."""
    found = rows(
        cursor,
        "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx AS t JOIN information_schema.processlist AS p "
        "ON p.id = t.trx_mysql_thread_id WHERE t.trx_state = 'LOCK WAIT' AND p.user = 'spark'",
    )
    return [thread for (thread,) in found]


def wait_until_it_waits(scene: Scene, cursor: Any) -> None:
    # InnoDB refreshes this list only when nobody has read it for 0.1 s.
    scene.wait_for("a micro-batch waits for the lock", lambda: waiting(cursor), every_s=0.3)


@fault(
    happens="a deadlock (1213) ends a micro-batch's transaction",
    outcome="it is rolled back and run again, and says so",
    reported=("spark", r"outage for .*1213"),
)
def mysql_deadlock(scene: Scene) -> None:
    with root(scene) as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {SCRATCH}")
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {SCRATCH}.ballast (number INT PRIMARY KEY)")
        cursor.execute("SET SESSION cte_max_recursion_depth = 100000")
        # InnoDB ends the transaction that has changed fewer rows.
        cursor.execute(
            f"INSERT INTO {SCRATCH}.ballast WITH RECURSIVE n AS "  # noqa: S608 - names of our own
            f"(SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {HEAVY_ROWS}) SELECT i FROM n"
        )
        lock_last_minutes(cursor)
        wait_until_it_waits(scene, cursor)
        rows(cursor, "SELECT * FROM checkpoints FOR UPDATE")  # which the micro-batch holds


@fault(
    happens="a lock of another session outlasts the lock wait timeout (1205)",
    outcome="the transaction is rolled back and run again, and says so",
    to_do="find out who holds the lock, if it stays",
    reported=("spark", r"outage for .*1205"),
)
def mysql_lock_wait(scene: Scene) -> None:
    size = scene.log_size("spark")
    with root(scene) as cursor:
        [(usual_s,)] = rows(cursor, "SELECT @@GLOBAL.innodb_lock_wait_timeout")
        cursor.execute("SET GLOBAL innodb_lock_wait_timeout = 2")
        kill_spark(cursor)  # the next connection has it
        try:
            lock_last_minutes(cursor)
            scene.wait_for("a lock wait timeout", lambda: scene.has_logged("spark", size, r"1205"))
        finally:
            cursor.execute(f"SET GLOBAL innodb_lock_wait_timeout = {usual_s}")


def kill_spark(cursor: Any) -> None:
    """Ends all of Spark's connections."""
    for (thread,) in rows(cursor, "SELECT id FROM information_schema.processlist WHERE user = 'spark'"):
        cursor.execute(f"KILL {thread}")


@fault(
    happens="MySQL is read-only (1290) for 10 s",
    outcome=WAITS,
    to_do="set `read_only` to OFF",
    reported=("spark", r"outage for .*1290"),
)
def mysql_read_only(scene: Scene) -> None:
    with root(scene) as cursor:
        cursor.execute("SET GLOBAL super_read_only = ON")
        try:
            scene.hold(5, 10)
        finally:
            cursor.execute("SET GLOBAL super_read_only = OFF")
            cursor.execute("SET GLOBAL read_only = OFF")


@fault(
    happens="a connection to MySQL is killed in the middle of a transaction",
    outcome="it is rolled back, and run again over a new one",
    reported=REPORTED,
)
def mysql_connection_killed(scene: Scene) -> None:
    with root(scene) as cursor:
        lock_last_minutes(cursor)
        wait_until_it_waits(scene, cursor)
        for thread in waiting(cursor):
            cursor.execute(f"KILL {thread}")


@fault(
    happens="no table of MySQL's can grow any more: its disk is full",
    outcome=f"{WAITS}; should MySQL give up itself, it is started again",
    to_do="free some space",
    reported=("spark", r"outage for .*MySQL|works again"),
)
def mysql_disk_full(scene: Scene) -> None:
    server = scene.stack.processes("mysql")[0]
    largest = max(path.stat().st_size for path in scene.settings.path("data", "mysql").rglob("*") if path.is_file())
    size = scene.log_size("spark")
    with scene.files_limited(server, largest):
        scene.wait_for("a table is full", lambda: scene.has_logged("spark", size, "outage for .*MySQL"), 180)
        scene.hold(2, 5)
