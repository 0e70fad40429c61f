"""The stack that the README's commands leave, its producer at rest, with a seeded shop; its dashboards in a browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import APIRequestContext, BrowserContext, Playwright, sync_playwright

import passwords
from local.native.stack import Stack
from local.ports import free_ports
from local.throwaway import FOLDER, PORTS
from settings import ROOT, Settings, as_environment, load
from tests.browser import chromium
from tests.browser.dashboard import Dashboard, admins_browser
from tests.browser.shop import Minutes, opened, worked
from tests.integration.pipeline import assert_exact

COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]
DEADLINE_S = 400
KEPT = ROOT / ".local" / "failures"
LOG_LINES = 150
"""Of Superset's: a failure deep within it is some hundred."""


@pytest.fixture(scope="package")
def environment() -> Iterator[dict[str, str]]:
    """Ports and a folder of their own for a stack that is run by commands."""
    given = Settings(
        **dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
        state_dir=str(FOLDER / "readme"),
        # As processes: what the charts show is compared with MySQL, which containers keep to themselves.
        runtime="native",
        producer_rate=100.0,  # half the default: the browser needs the rest
        producer_backfill_minutes=5,  # so that it ends long after the seeded shop
    )
    # On a host that is not in UTC.
    environment = {**os.environ, "TZ": "America/New_York", **as_environment(given)}
    run("make clean", environment)  # of a run that was killed
    yield environment
    run(COMMANDS[-1], environment)
    run("make clean", environment)
    assert not Path(environment["STATE_DIR"]).exists()


@dataclass(frozen=True)
class Followed:
    """What each of the README's commands printed, and the settings of the stack that they leave."""

    printed: dict[str, str]
    settings: Settings


@pytest.fixture(scope="package")
def readme(environment: dict[str, str]) -> Followed:
    """The README's commands, run one after the other as a reader would; the last of them, `make down`, when all tests
    are done."""
    assert COMMANDS[-1] == "make down"
    return Followed({command: run(command, environment) for command in COMMANDS[:-1]}, load(environment))


def run(command: str, environment: dict[str, str], folder: Path = ROOT) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="package")
def shop(readme: Followed) -> Minutes:
    """A seeded shop on the stack that the README's commands leave. The stack's own producer has ended, and everything
    is counted: no figure moves, but those that go by the clock."""
    stack = Stack(readme.settings)
    stack.stop("producer")
    return opened(stack)


@pytest.fixture(scope="package")
def work(shop: Minutes) -> Minutes:
    """What the pipeline of the stack at rest has done, for dashboards that show that."""
    return worked(shop.settings)


@pytest.fixture(scope="package")
def settings(shop: Minutes) -> Settings:
    """Settings of the stack at rest."""
    return shop.settings


@pytest.fixture(scope="module")
def live(settings: Settings) -> Iterator[Stack]:
    """The stack with its producer running, for the tests of a file; at rest again afterwards."""
    stack = Stack(settings)
    stack.start("producer")
    yield stack
    stack.stop("producer")
    assert_exact(stack)


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    try:
        chromium.executable()
    except chromium.NoBrowserError as error:
        pytest.skip(f"no browser: {error}")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def logged_in(playwright: Playwright, settings: Settings) -> Iterator[BrowserContext]:
    with admins_browser(playwright, settings) as context:
        yield context


@pytest.fixture(scope="module")
def visitor(playwright: Playwright, market: Settings) -> Iterator[BrowserContext]:
    """The admin's browser on the stack of the market that a file of tests has."""
    with admins_browser(playwright, market) as context:
        yield context


@pytest.fixture
def tabs() -> Iterator[list[Dashboard]]:
    """The dashboards that a test has opened, each in a browser tab of its own."""
    opened: list[Dashboard] = []
    yield opened
    for dashboard in opened:
        dashboard.page.close()


@pytest.fixture
def tab(tabs: list[Dashboard], logged_in: BrowserContext, settings: Settings) -> Callable[[str], Dashboard]:
    """Makes a browser tab for the dashboard of a slug, to be opened."""

    def of(slug: str) -> Dashboard:
        tabs.append(Dashboard(logged_in.new_page(), settings, slug))
        return tabs[-1]

    return of


@pytest.fixture
def dashboard(tab: Callable[[str], Dashboard]) -> Dashboard:
    """Sales live, to be opened."""
    return tab("sales-live")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test leaves what its pages showed, and the data that their charts were sent, in a folder that its
    report names; what is written in the charts, and the end of Superset's log, is in the report itself."""
    report = yield
    if report.failed and item.funcargs.get("tabs"):
        folder = KEPT / re.sub(r"\W+", "-", item.name)
        texts = {dashboard.slug: dashboard.keep(folder) for dashboard in item.funcargs["tabs"]}
        log = Stack(item.funcargs["tabs"][0].settings).log_tail("superset", LOG_LINES)
        report.sections.append(("the end of superset.log", log))
        report.sections.append((f"on the pages, which are kept in {folder}", json.dumps(texts, indent=1)))
    return report


def token(api: APIRequestContext, user: str, password: str) -> str | None:
    """An access token, or None where the log-in is refused."""
    answer = api.post("/api/v1/security/login", data={"username": user, "password": password, "provider": "db"})
    return answer.json()["access_token"] if answer.ok else None


def dataset_id(api: APIRequestContext, table: str) -> int:
    [found] = api.get(f"/api/v1/dataset/?q=(filters:!((col:table_name,opr:eq,value:{table})))").json()["ids"]
    return found


@pytest.fixture
def anonymous(playwright: Playwright, settings: Settings) -> Iterator[APIRequestContext]:
    context = playwright.request.new_context(base_url=settings.superset)
    yield context
    context.dispose()


@pytest.fixture
def admin(playwright: Playwright, anonymous: APIRequestContext, settings: Settings) -> Iterator[APIRequestContext]:
    """Requests as the admin, with the generated password."""
    access = token(anonymous, settings.superset_admin_user, passwords.read(settings, "superset_admin"))
    assert access, "the generated password is refused"
    base = settings.superset
    context = playwright.request.new_context(base_url=base, extra_http_headers={"Authorization": f"Bearer {access}"})
    csrf = context.get("/api/v1/security/csrf_token/").json()["result"]
    cookies = context.storage_state()
    context.dispose()
    headers = {"Authorization": f"Bearer {access}", "X-CSRFToken": csrf, "Referer": base}
    context = playwright.request.new_context(base_url=base, extra_http_headers=headers, storage_state=cookies)
    yield context
    context.dispose()
