"""What the dashboard's datasets and views return, on rows made for the purpose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import yaml

from local.stack import Stack
from settings import ROOT
from stores import mysql

pytestmark = pytest.mark.integration

DATABASE = "dashboard_sources"
DATASETS = ROOT / "superset" / "dashboards" / "ecommerce" / "datasets" / "ecommerce"
SINCE = datetime.fromisoformat("2026-05-01T12:00:30")  # the chosen range
UNTIL = SINCE + timedelta(hours=1)
EARLIER = SINCE - timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def cursor(stack: Stack) -> Iterator[Any]:
    """In an empty database with the shop's tables and views, all in UTC."""
    with mysql.connected(stack.settings, "root") as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {DATABASE} COLLATE utf8mb4_0900_bin")
        try:
            cursor.execute(f"USE {DATABASE}")
            for name in ("ecommerce", "pipeline", "ecommerce.views"):
                mysql.run_script(cursor, (ROOT / "mysql" / f"{name}.sql").read_text())
            yield cursor
        finally:
            cursor.execute(f"DROP DATABASE {DATABASE}")


def insert(cursor: Any, table: str, **values: object) -> None:
    """A row with the given values, and 0 or '' in the columns that are not named."""
    cursor.execute(f"SHOW COLUMNS FROM {table}")
    columns = [(name, kind) for name, kind, *_, extra in cursor.fetchall() if "GENERATED" not in extra]
    empty = {name: "" if "char" in str(kind) else 0 for name, kind in columns}
    row = empty | values
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", tuple(row.values())
    )


def sale(cursor: Any, minute: datetime, orders: int, category: str = "Books") -> None:
    insert(cursor, "sales_by_minute", minute=minute.replace(second=0), category=category, orders=orders)


def session(cursor: Any, first_seen: datetime, **values: object) -> None:
    insert(
        cursor, "sessions", **{"session_id": uuid4().bytes, "first_seen": first_seen, "last_seen": first_seen} | values
    )


def history_from(cursor: Any, moment: datetime) -> None:
    insert(cursor, "batches", committed_at=moment, checkpoint_id="c", batch_id=int(moment.timestamp()))


def by_period(cursor: Any, dataset: str, figure: str, where: str = "TRUE") -> list[float]:
    """A figure by period, oldest first, as Superset asks for it with the chosen range."""
    sql = yaml.safe_load((DATASETS / f"{dataset}.yaml").read_text())["sql"]
    sql = re.sub(r"\{\{ from_dttm.*?\}\}", SINCE.isoformat(), sql)
    sql = re.sub(r"\{\{ to_dttm.*?\}\}", UNTIL.isoformat(), sql)
    cursor.execute(
        f"SELECT period, {figure} FROM ({sql}) AS dataset"
        f" WHERE period >= %s AND period < %s AND {where} GROUP BY period ORDER BY period",
        (SINCE + timedelta(seconds=1), UNTIL - timedelta(seconds=1)),  # the filter is worked out a moment later
    )
    return [float(value) for _, value in cursor.fetchall()]


def test_orders_stand_in_their_period(cursor: Any) -> None:
    history_from(cursor, EARLIER)
    sale(cursor, EARLIER, 1)  # its minute began before the earlier period
    sale(cursor, EARLIER + MINUTE, 2)
    sale(cursor, SINCE, 4)  # its minute began in the earlier period
    sale(cursor, SINCE + MINUTE, 8)
    sale(cursor, UNTIL, 16)  # its minute began in the chosen period
    sale(cursor, UNTIL + MINUTE, 32)
    assert by_period(cursor, "sales_by_period", "SUM(orders)") == [2 + 4, 8 + 16]


def test_nothing_is_compared_with_a_period_that_history_does_not_cover(cursor: Any) -> None:
    history_from(cursor, EARLIER + MINUTE)
    sale(cursor, EARLIER + 2 * MINUTE, 1)  # a late event of before the start, say
    sale(cursor, SINCE + MINUTE, 2)
    assert by_period(cursor, "sales_by_period", "SUM(orders)") == [2]


def test_a_period_without_sales_is_zero_where_the_earlier_one_has_some(cursor: Any) -> None:
    history_from(cursor, EARLIER)
    sale(cursor, EARLIER + MINUTE, 3)
    sale(cursor, SINCE + MINUTE, 5, category="Toys")
    assert by_period(cursor, "sales_by_period", "SUM(orders)", "category = 'Books'") == [3, 0]


def test_sessions_stand_in_the_period_in_which_they_began(cursor: Any) -> None:
    history_from(cursor, EARLIER)
    session(cursor, EARLIER, orders=1)
    session(cursor, SINCE - timedelta(milliseconds=1))
    session(cursor, SINCE, orders=2)
    session(cursor, UNTIL - timedelta(milliseconds=1))
    session(cursor, UNTIL - timedelta(milliseconds=1))
    session(cursor, UNTIL)
    assert by_period(cursor, "sessions_by_period", "SUM(sessions)") == [2, 3]
    assert by_period(cursor, "sessions_by_period", "SUM(sessions_with_order)") == [1, 1]


def test_funnel_has_a_session_once_for_each_step_it_reached(cursor: Any) -> None:
    for step in (0, 1, 1, 5):
        session(cursor, SINCE, furthest_step=step)
    cursor.execute("SELECT step, COUNT(*) FROM funnel GROUP BY step ORDER BY step")
    assert [count for _, count in cursor.fetchall()] == [4, 3, 1, 1, 1, 1]


def test_shoppers_are_active_for_five_minutes(cursor: Any) -> None:
    cursor.execute("SELECT UTC_TIMESTAMP(3)")
    now = cursor.fetchone()[0]
    session(cursor, SINCE, last_seen=now - 4 * MINUTE)
    session(cursor, SINCE, last_seen=now - 5 * MINUTE)
    cursor.execute("SELECT last_seen FROM active_shoppers")
    assert cursor.fetchall() == [(now - 4 * MINUTE,)]


@pytest.mark.parametrize(("event_minutes", "commit_minutes"), [(2, 0), (0, 2), (-5, 2)])
def test_data_is_as_old_as_its_newest_event_or_its_last_commit(
    cursor: Any, event_minutes: int, commit_minutes: int
) -> None:
    """A sender's clock that runs ahead must not hide that nothing is committed any more."""
    cursor.execute("SELECT UTC_TIMESTAMP(3)")
    now = cursor.fetchone()[0]
    session(cursor, SINCE, last_seen=now - event_minutes * MINUTE)
    history_from(cursor, now - commit_minutes * MINUTE)
    cursor.execute("SELECT age_seconds FROM freshness")
    assert 120 <= cursor.fetchone()[0] < 150
