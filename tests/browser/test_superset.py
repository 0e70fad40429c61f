"""Superset as it is served: who gets in, what may be written, what its queries return, what a second boot keeps."""

from __future__ import annotations

import os
import re
import subprocess

import mysql.connector
import pytest
from mysql.connector import errorcode
from playwright.sync_api import APIRequestContext

from local.native.services import SUPERSET_PYTHON
from local.native.stack import Stack
from local.runtime import switched_on
from settings import ROOT, Settings, as_environment, load
from stores import mysql as store
from tests.browser.conftest import dataset_id, token
from tests.browser.shop import Minutes
from tests.dashboards import assets, rendered
from tests.exposure import assert_no_secret_is_seen

pytestmark = pytest.mark.browser

FILES = assets.read(load().domain)


def test_no_secret_is_on_a_command_line_in_an_environment_or_in_a_log(settings: Settings) -> None:
    assert_no_secret_is_seen(Stack(settings), *switched_on(settings))


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
def test_reader_can_not_write(settings: Settings, statement: str) -> None:
    connection = store.connect(settings, "reader", settings.domain)
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
def test_dataset_columns_are_in_mysql(settings: Settings, name: str) -> None:
    dataset = assets.dataset(FILES, name)
    query = rendered(dataset.get("sql") or f"SELECT * FROM {name}")
    connection = store.connect(settings, "reader", settings.domain)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) AS dataset LIMIT 0")
        cursor.fetchall()
        there = set(cursor.column_names)
    connection.close()
    assert {column["column_name"] for column in dataset["columns"] if "expression" not in column} <= there


@pytest.mark.parametrize(
    ("grain", "seconds"), [("PT1S", 1), ("PT1M", 60), ("PT5M", 300), ("PT15M", 900), ("PT1H", 3600)]
)
def test_time_grains_are_right(admin: APIRequestContext, shop: Minutes, grain: str, seconds: int) -> None:
    """Superset's SQL parser rewrites the expressions: its own for MySQL end with the time of day counted twice."""
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
        "filters": [{"col": "first_seen", "op": "TEMPORAL_RANGE", "val": str(shop)}],
        "row_limit": 2000,
    }
    answer = admin.post(
        "/api/v1/chart/data",
        data={"datasource": {"id": dataset_id(admin, "sessions"), "type": "table"}, "queries": [query]},
    )
    seen = {int(row["began"]): row["sessions"] for row in answer.json()["result"][0]["data"]}
    expected = f"""
        SELECT UNIX_TIMESTAMP(first_seen) DIV {seconds} * {seconds} * 1000 AS began, COUNT(*) AS sessions FROM sessions
        WHERE first_seen >= %(since)s AND first_seen < %(until)s GROUP BY began"""
    assert seen == {int(row["began"]): row["sessions"] for row in shop.select(expected)}
    assert seen


def test_a_second_boot_keeps_what_users_made(admin: APIRequestContext, settings: Settings) -> None:
    dataset = admin.get("/api/v1/dataset/").json()["result"][0]["id"]
    mine = {"slice_name": "Mine", "viz_type": "table", "datasource_id": dataset, "datasource_type": "table"}
    chart = admin.post("/api/v1/chart/", data=mine).json()["id"]
    board = admin.post("/api/v1/dashboard/", data={"dashboard_title": "My board"}).json()["id"]
    ours = admin.get("/api/v1/dashboard/sales-live/charts").json()["result"]

    environment = {**os.environ, **as_environment(settings)}
    subprocess.run([SUPERSET_PYTHON, ROOT / "superset" / "boot.py"], env=environment, check=True, capture_output=True)

    assert admin.get(f"/api/v1/chart/{chart}").json()["result"]["slice_name"] == "Mine"
    assert admin.get(f"/api/v1/dashboard/{board}").json()["result"]["dashboard_title"] == "My board"
    again = admin.get("/api/v1/dashboard/sales-live/charts").json()["result"]
    assert sorted(chart["id"] for chart in again) == sorted(chart["id"] for chart in ours)


def test_nothing_of_it_is_logged_into_the_database(admin: APIRequestContext, settings: Settings) -> None:
    """Superset's default event log would grow by half a gigabyte a day and open tab."""
    assert admin.get("/api/v1/chart/").ok
    connection = store.connect(settings, "superset", "superset")
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM logs")
        assert cursor.fetchone() == (0,)
    connection.close()
