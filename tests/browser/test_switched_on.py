"""What settings switch on: dashboards for everybody, dashboards in other sites, alerts; and that it goes off again."""

from __future__ import annotations

import base64
import hmac
import json
import operator
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import APIRequestContext, BrowserContext, Page, Playwright

from local.native.stack import Stack
from settings import Settings
from stores import mysql
from tests.browser.dashboard import HEIGHT, Dashboard, browser
from tests.dashboards import assets, load_alerts
from tests.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.usefixtures("stack")]

HOOK = "/hook/known-to-few"
OPERATORS: dict[str, Callable[[float, float], bool]] = {">": operator.gt, ">=": operator.ge}

# What Superset's embedding library does, in short: it hands a guest token over to the frame.
EMBEDDING_PAGE = """<!DOCTYPE html><iframe src="{superset}/embedded/{id}" width="1400" height="{height}"></iframe>
<script>
const frame = document.querySelector('iframe');
frame.addEventListener('load', () => {{
  const channel = new MessageChannel();
  frame.contentWindow.postMessage(
    {{type: '__embedded_comms__', handshake: 'port transfer'}}, '{superset}', [channel.port2]);
  channel.port1.postMessage({{switchboardAction: 'emit', method: 'guestToken', args: {{guestToken: '{token}'}}}});
}});
</script>"""


@dataclass
class Site:
    """A web site of somebody's: it has one page, and takes what is posted to it."""

    page: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def __enter__(self) -> Site:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(site.page)

            def do_POST(self) -> None:
                site.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                site.paths.add(self.path)
                self.answer()

            def answer(self, text: str = "") -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """It takes the alerts, and may embed dashboards."""
    with Site() as running:
        yield running


@pytest.fixture(scope="module")
def stack(live: Stack, site: Site) -> Iterator[Stack]:
    """Everything is switched on, with bounds that are soon crossed."""
    on = Stack(
        replace(
            live.settings,
            superset_public=True,
            superset_embed_origins=f"https://shop.example {site.origin}",
            alert_webhook_url=site.origin + HOOK,
            alert_quiet_minutes=1,
            alert_reject_rate=0.01,
            alert_data_age_seconds=10,
        )
    )
    on.up(("superset", "alerts"))
    yield on
    live.up(("superset",))


@pytest.fixture(scope="module")
def visitor(playwright: Playwright) -> Iterator[BrowserContext]:
    """A browser in which nobody is logged in."""
    with browser(playwright) as context:
        yield context


@pytest.fixture
def page(visitor: BrowserContext) -> Iterator[Page]:
    page = visitor.new_page()
    yield page
    page.close()


# Dashboards for everybody


def test_everybody_sees_a_dashboard(page: Page, stack: Stack) -> None:
    Dashboard(page, stack.settings).open()
    assert not page.get_by_role("button", name="Edit dashboard").count()


def test_everybody_gets_the_list_of_our_dashboards(visitor: BrowserContext, stack: Stack) -> None:
    listed = visitor.request.get(f"{stack.settings.superset}/api/v1/dashboard/").json()["result"]
    assert {board["slug"] for board in listed} == set(assets.read(stack.settings.domain).dashboards)


@pytest.mark.parametrize(
    "path",
    [
        "/sqllab/",
        "/explore/?slice_id=1",
        "/raw-events/",
        "/raw-events/ecommerce/events.jsonl",
        "/tablemodelview/list/",
        "/databaseview/list/",
        "/alert/list/",
        "/users/list/",
        "/superset/welcome/",
        "/api/v1/chart/1",
        "/api/v1/dataset/",
        "/api/v1/dataset/1",
        "/api/v1/database/",
        "/api/v1/explore/?slice_id=1",
        "/api/v1/query/",
        "/api/v1/report/",
        "/api/v1/security/users/",
    ],
)
def test_everybody_gets_no_further(visitor: BrowserContext, stack: Stack, path: str) -> None:
    answer = visitor.request.get(stack.settings.superset + path)
    assert answer.status in (401, 403, 404) or "/login/" in answer.url


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("POST", "/api/v1/sqllab/execute/", {"database_id": 1, "sql": "SELECT 1"}),
        ("POST", "/api/v1/chart/", {"slice_name": "x", "datasource_id": 1, "datasource_type": "table"}),
        ("PUT", "/api/v1/chart/1", {"slice_name": "x"}),
        ("PUT", "/api/v1/dashboard/1", {"dashboard_title": "x"}),
        ("DELETE", "/api/v1/dashboard/1", {}),
        ("POST", "/api/v1/security/guest_token/", {"user": {}, "resources": [], "rls": []}),
        # Data of a table, without a dashboard that shows it.
        ("POST", "/api/v1/chart/data", {"datasource": {"id": 1, "type": "table"}, "queries": [{"metrics": ["count"]}]}),
    ],
)
def test_everybody_changes_and_asks_nothing(
    visitor: BrowserContext, stack: Stack, method: str, path: str, data: dict
) -> None:
    base = stack.settings.superset
    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', visitor.request.get(f"{base}/login/").text())
    headers = {"X-CSRFToken": csrf[1], "Referer": base}
    answer = visitor.request.fetch(base + path, method=method, data=data, headers=headers)
    assert answer.status in (401, 403), answer.text()


# Dashboards in other sites


@pytest.fixture
def embedded(admin: APIRequestContext) -> str:
    """The id under which "Sales live" is embedded."""
    return admin.get("/api/v1/dashboard/sales-live/embedded").json()["result"]["uuid"]


@pytest.fixture
def guest(admin: APIRequestContext, embedded: str) -> str:
    """A guest token for that dashboard."""
    asked = {"user": {"username": "reader"}, "resources": [{"type": "dashboard", "id": embedded}], "rls": []}
    return admin.post("/api/v1/security/guest_token/", data=asked).json()["token"]


def test_a_guest_sees_one_dashboard(anonymous: APIRequestContext, guest: str) -> None:
    headers = {"X-GuestToken": guest}
    assert anonymous.get("/api/v1/dashboard/sales-live", headers=headers).ok
    for path in ("/api/v1/dashboard/products", "/api/v1/dataset/", "/api/v1/database/", "/api/v1/report/"):
        assert anonymous.get(path, headers=headers).status in (401, 403, 404)


def test_a_token_signed_with_the_secret_that_superset_comes_with_is_nothing(
    anonymous: APIRequestContext, guest: str
) -> None:
    def roles(token: str) -> set[str]:
        return set(anonymous.get("/api/v1/me/roles/", headers={"X-GuestToken": token}).json()["result"]["roles"])

    signed, _, _ = guest.rpartition(".")
    signature = hmac.digest(b"test-guest-secret-change-me", signed.encode(), "sha256")
    forged = f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    assert roles(guest) == {"Guest"}
    assert roles(forged) == {"Public"}


def test_other_sites_are_refused(anonymous: APIRequestContext, embedded: str, site: Site) -> None:
    path = f"/embedded/{embedded}"
    assert anonymous.get(path, headers={"Referer": "https://stranger.example/"}).status == 403
    allowed = anonymous.get(path, headers={"Referer": f"{site.origin}/"})
    assert allowed.ok
    ancestors = re.search(r"frame-ancestors ([^;]*)", allowed.headers["content-security-policy"])[1]
    assert ancestors.split() == ["'self'", "https://shop.example", site.origin]


def test_a_site_shows_the_dashboard(page: Page, stack: Stack, site: Site, embedded: str, guest: str) -> None:
    site.page = EMBEDDING_PAGE.format(superset=stack.settings.superset, id=embedded, token=guest, height=HEIGHT)
    with Site(site.page) as stranger:
        page.goto(stranger.origin)
        assert not page.frames[1].url.startswith("http")
    page.goto(site.origin)
    frame = page.frame_locator("iframe")
    frame.locator('[data-test-chart-name="Revenue"] .header-line').wait_for()
    # The world map asks for its data in Superset's old way.
    frame.locator('[data-test-chart-name="Where revenue comes from"] svg.datamap').wait_for()


# Alerts. From here on the pipeline stands still.


def crossed(settings: Settings) -> set[str]:
    """The names of the alerts whose bound is crossed."""
    found = set()
    with mysql.connected(settings, "reader", settings.domain) as connection, connection.cursor() as cursor:
        for alert in load_alerts.wanted(settings).values():
            cursor.execute(alert["sql"])
            rows = cursor.fetchall()
            rule = alert["validator_config_json"]
            if rows and rows[0][0] is not None and OPERATORS[rule["op"]](float(rows[0][0]), rule["threshold"]):
                found.add(alert["name"])
    return found


def rename_orders(settings: Settings, old: str, new: str) -> None:
    """Hides the counted orders, sooner than it would be true that there are none, and brings them back."""
    with mysql.connected(settings, "root", settings.domain) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE events_by_minute SET event_name = %s WHERE event_name = %s", (new, old))
        connection.commit()


@pytest.fixture(scope="module")
def broken(stack: Stack) -> Iterator[set[str]]:
    """Rejected records have come, then no order and no data: the names of the alerts that this must set off."""
    settings = stack.settings
    wait_for("no alert goes off while all is well", lambda: not crossed(settings))
    stack.start("producer", settings=replace(settings, producer_malformed=0.5, producer_rate=1000.0))
    wait_for("half of the records are rejected", lambda: "Reject rate above 0.01" in crossed(settings))
    stack.stop("producer", "spark")
    rename_orders(settings, "purchase", "hidden")
    names = {alert["name"] for alert in load_alerts.wanted(settings).values()}
    wait_for("every bound is crossed", lambda: crossed(settings) == names)
    yield names
    rename_orders(settings, "hidden", "purchase")
    stack.start("spark", "producer")


def test_each_alert_comes_to_the_address_once(broken: set[str], stack: Stack, site: Site) -> None:
    def came() -> list[str]:
        return sorted(alert["name"].partition(":")[0] for alert in site.posted)

    wait_for(f"all of these came: {sorted(broken)}", lambda: set(came()) >= broken)
    assert came() == sorted(broken)
    assert site.paths == {HOOK}
    assert all(alert["url"].startswith(f"{stack.settings.superset}/superset/dashboard/") for alert in site.posted)


def test_the_history_says_when_and_why(broken: set[str], admin: APIRequestContext) -> None:
    alerts = admin.get("/api/v1/report/").json()["result"]
    assert {alert["name"] for alert in alerts} == broken
    for alert in alerts:
        runs = admin.get(f"/api/v1/report/{alert['id']}/log/").json()["result"]
        [sent] = [run for run in runs if run["state"] == "Success"]
        assert sent["value"] > 0
        assert not [run for run in runs if run["state"] == "Error"]


@pytest.mark.usefixtures("broken")
def test_the_log_does_not_tell_the_address(stack: Stack) -> None:
    text = stack.log_path("alerts").read_text()
    assert "Executing alert" in text
    assert HOOK not in text


def test_a_killed_worker_works_again(stack: Stack) -> None:
    alive = stack.settings.path("run", "alerts.alive")
    before = alive.stat().st_mtime
    stack.kill("alerts")
    wait_for("the worker is there again", lambda: alive.exists() and alive.stat().st_mtime > before)


# Off again


def test_switched_off_nothing_is_left(
    settings: Settings, anonymous: APIRequestContext, guest: str, embedded: str
) -> None:
    off = Stack(settings)
    off.up(("superset",))
    assert off.state("alerts") == "STOPPED"
    assert off.processes("alerts") == []
    for headers in ({}, {"X-GuestToken": guest}):
        assert anonymous.get("/api/v1/dashboard/sales-live", headers=headers).status in (401, 404)
    assert anonymous.get(f"/embedded/{embedded}").status == 404
    left = """
        SELECT (SELECT COUNT(*) FROM report_schedule), (SELECT COUNT(*) FROM embedded_dashboards),
               (SELECT COUNT(*) FROM dashboard_roles),
               (SELECT COUNT(*) FROM ab_permission_view_role JOIN ab_role ON ab_role.id = role_id
                WHERE name IN ('Public', 'Guest'))"""
    with mysql.connected(settings, "superset", "superset") as connection, connection.cursor() as cursor:
        cursor.execute(left)
        assert cursor.fetchone() == (0, 0, 0, 0)
