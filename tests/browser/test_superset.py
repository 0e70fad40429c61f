"""Superset as it is served: who gets in, what may be written, what its queries return, what a second boot keeps."""

from __future__ import annotations

import os
import re
import subprocess
import time

import mysql.connector
import pytest
from mysql.connector import errorcode
from playwright.sync_api import APIRequestContext

from local.services import SUPERSET_PYTHON, switched_on
from local.stack import Stack
from settings import ROOT, Settings, as_environment, load
from stores import mysql as store
from tests.browser.conftest import token
from tests.dashboards import assets
from tests.exposure import assert_no_secret_is_seen

pytestmark = pytest.mark.browser

FILES = assets.read(load().domain)
DEADLINE_SECONDS = 30


def test_no_secret_is_on_a_command_line_in_an_environment_or_in_a_log(live_settings: Settings) -> None:
    assert_no_secret_is_seen(Stack(live_settings), *switched_on(live_settings))


@pytest.mark.parametrize("user", ["admin", "superset", "guest"])
@pytest.mark.parametrize("password", ["admin", "superset", "general", "password", ""])
def test_default_passwords_are_refused(anonymous: APIRequestContext, user: str, password: str) -> None:
    assert token(anonymous, user, password) is None


@pytest.mark.parametrize("path", ["/api/v1/dashboard/sales-live", "/api/v1/chart/", "/api/v1/database/"])
def test_nothing_is_shown_without_a_log_in(anonymous: APIRequestContext, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status in (401, 404) or answer.json()["count"] == 0


def test_pages_load_nothing_from_elsewhere(anonymous: APIRequestContext) -> None:
    policy = anonymous.get("/login/").headers["content-security-policy"]
    assert "unsafe-eval" not in policy
    assert not re.search(r"https?:|\*", policy)


def test_session_cookie_stays_on_the_site(anonymous: APIRequestContext) -> None:
    cookie = anonymous.get("/login/").headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM sessions", "DROP TABLE sessions", "CREATE TABLE mine (id INT)", "UPDATE sessions SET events = 0"],
)
def test_reader_can_not_write(live_settings: Settings, statement: str) -> None:
    connection = store.connect(live_settings, "reader", live_settings.domain)
    with connection.cursor() as cursor, pytest.raises(mysql.connector.Error) as refused:
        cursor.execute(statement)
    connection.close()
    assert refused.value.errno == errorcode.ER_TABLEACCESS_DENIED_ERROR


def test_sql_lab_can_not_write(admin: APIRequestContext) -> None:
    database = admin.get("/api/v1/database/").json()["result"][0]["id"]
    answer = admin.post("/api/v1/sqllab/execute/", data={"database_id": database, "sql": "DELETE FROM sessions"})
    assert not answer.ok
    assert "DML" in answer.text()


@pytest.mark.parametrize("name", FILES.datasets)
def test_dataset_columns_are_in_mysql(live_settings: Settings, name: str) -> None:
    dataset = assets.dataset(FILES, name)
    query = re.sub(r"\{\{.*?\}\}", "2026-01-01", dataset.get("sql") or f"SELECT * FROM {name}")
    connection = store.connect(live_settings, "reader", live_settings.domain)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) AS dataset LIMIT 0")
        cursor.fetchall()
        there = set(cursor.column_names)
    connection.close()
    assert {column["column_name"] for column in dataset["columns"] if "expression" not in column} <= there


@pytest.mark.parametrize(
    ("grain", "seconds"), [("PT1S", 1), ("PT1M", 60), ("PT5M", 300), ("PT15M", 900), ("PT1H", 3600)]
)
def test_time_grains_are_right(admin: APIRequestContext, live_settings: Settings, grain: str, seconds: int) -> None:
    """Superset's SQL parser rewrites the expressions: its own for MySQL end with the time of day counted twice."""
    found = admin.get("/api/v1/dataset/?q=(filters:!((col:table_name,opr:eq,value:funnel)))").json()["result"]
    connection = store.connect(live_settings, "reader", live_settings.domain)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT UTC_TIMESTAMP() - INTERVAL 14 MINUTE, UTC_TIMESTAMP() - INTERVAL 2 MINUTE")
        since, until = cursor.fetchone()
    column = {
        "label": "began",
        "sqlExpression": "first_seen",
        "expressionType": "SQL",
        "columnType": "BASE_AXIS",
        "timeGrain": grain,
    }
    query = {
        "columns": [column],
        "metrics": ["sessions"],
        "filters": [{"col": "first_seen", "op": "TEMPORAL_RANGE", "val": f"{since.isoformat()} : {until.isoformat()}"}],
        "row_limit": 1000,
    }
    body = {"datasource": {"id": found[0]["id"], "type": "table"}, "queries": [query]}
    expected = f"""
        SELECT UNIX_TIMESTAMP(first_seen) DIV {seconds} * {seconds} * 1000 AS began, COUNT(*) FROM funnel
        WHERE first_seen >= %s AND first_seen < %s GROUP BY began"""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        answer = admin.post("/api/v1/chart/data", data=body)
        seen = {int(row["began"]): row["sessions"] for row in answer.json()["result"][0]["data"]}
        with connection.cursor() as cursor:
            cursor.execute(expected, (since, until))
            wanted = {int(began): sessions for began, sessions in cursor.fetchall()}
        if seen == wanted or time.monotonic() > deadline:  # late events change both
            break
    connection.close()
    assert wanted
    assert seen == wanted


def test_a_second_boot_keeps_what_users_made(admin: APIRequestContext, live_settings: Settings) -> None:
    dataset = admin.get("/api/v1/dataset/").json()["result"][0]["id"]
    mine = {"slice_name": "Mine", "viz_type": "table", "datasource_id": dataset, "datasource_type": "table"}
    chart = admin.post("/api/v1/chart/", data=mine).json()["id"]
    board = admin.post("/api/v1/dashboard/", data={"dashboard_title": "My board"}).json()["id"]
    ours = admin.get("/api/v1/dashboard/sales-live/charts").json()["result"]

    environment = {**os.environ, **as_environment(live_settings)}
    subprocess.run([SUPERSET_PYTHON, ROOT / "superset" / "boot.py"], env=environment, check=True, capture_output=True)

    assert admin.get(f"/api/v1/chart/{chart}").json()["result"]["slice_name"] == "Mine"
    assert admin.get(f"/api/v1/dashboard/{board}").json()["result"]["dashboard_title"] == "My board"
    again = admin.get("/api/v1/dashboard/sales-live/charts").json()["result"]
    assert sorted(chart["id"] for chart in again) == sorted(chart["id"] for chart in ours)


def test_nothing_of_it_is_logged_into_the_database(admin: APIRequestContext, live_settings: Settings) -> None:
    """Superset's default event log would grow by half a gigabyte a day and open tab."""
    assert admin.get("/api/v1/chart/").ok
    connection = store.connect(live_settings, "superset", "superset")
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM logs")
        assert cursor.fetchone() == (0,)
    connection.close()
