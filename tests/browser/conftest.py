"""The stack that the README's commands leave, and its dashboard in a browser."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import APIRequestContext, BrowserContext, Playwright, sync_playwright

from local.ports import free_ports
from local.throwaway import FOLDER, PORTS
from settings import ROOT, Settings, load
from tests.browser import chromium
from tests.browser.dashboard import Dashboard, browser
from tests.browser.minutes import Minutes

COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]
DEADLINE_S = 400


@pytest.fixture(scope="package")
def environment() -> Iterator[dict[str, str]]:
    """Ports and a folder of their own for a stack that is run by commands."""
    ports = {name.upper(): str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    # As processes: what the charts show is compared with MySQL, which containers keep to themselves.
    environment = {
        **os.environ,
        **ports,
        "STATE_DIR": str(FOLDER / "readme"),
        "RUNTIME": "native",
        "MYSQL_RETENTION_DAYS": "40",  # a month of history is put before it
        "PRODUCER_RATE": "100",  # half the default: less to work off of the 45 minutes before the start
    }
    run("make clean", environment)  # of a run that was killed
    yield environment
    run("make clean", environment)
    assert not Path(environment["STATE_DIR"]).exists()


@dataclass(frozen=True)
class Followed:
    """What each of the README's commands printed, and the settings of the stack that they leave."""

    printed: dict[str, str]
    settings: Settings


@pytest.fixture(scope="package")
def readme(environment: dict[str, str]) -> Followed:
    """The README's commands, run one after the other as a reader would; they leave a running stack."""
    return Followed({command: run(command, environment) for command in COMMANDS}, load(environment))


def run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
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
def live_settings(readme: Followed) -> Settings:
    """Settings of a stack that has some minutes of history, and whose producer goes on."""
    return readme.settings


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    try:
        chromium.executable()
    except chromium.NoBrowserError as error:
        pytest.skip(f"no browser: {error}")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="package")
def logged_in(playwright: Playwright, live_settings: Settings) -> Iterator[BrowserContext]:
    """A browser in which the admin is logged in."""
    with browser(playwright) as context:
        page = context.new_page()
        Dashboard(page, live_settings).log_in()
        page.close()
        yield context


@pytest.fixture
def dashboard(logged_in: BrowserContext, live_settings: Settings) -> Iterator[Dashboard]:
    """Sales live, in a tab of its own, to be opened."""
    page = logged_in.new_page()
    yield Dashboard(page, live_settings)
    page.close()


@pytest.fixture
def tab(logged_in: BrowserContext, live_settings: Settings) -> Iterator[Callable[[str], Dashboard]]:
    """Makes a browser tab for the dashboard of a slug, to be opened."""
    pages = []

    def of(slug: str) -> Dashboard:
        pages.append(logged_in.new_page())
        return Dashboard(pages[-1], live_settings, slug)

    yield of
    for page in pages:
        page.close()


@pytest.fixture
def minutes(live_settings: Settings) -> Iterator[Minutes]:
    chosen = Minutes(live_settings)
    yield chosen
    chosen.connection.close()


def token(api: APIRequestContext, user: str, password: str) -> str | None:
    """An access token, or None where the log-in is refused."""
    answer = api.post("/api/v1/security/login", data={"username": user, "password": password, "provider": "db"})
    return answer.json()["access_token"] if answer.ok else None


@pytest.fixture
def anonymous(playwright: Playwright, live_settings: Settings) -> Iterator[APIRequestContext]:
    context = playwright.request.new_context(base_url=live_settings.superset)
    yield context
    context.dispose()


@pytest.fixture
def admin(playwright: Playwright, anonymous: APIRequestContext, live_settings: Settings) -> Iterator[APIRequestContext]:
    """Requests as the admin, with the generated password."""
    access = token(anonymous, live_settings.superset_admin_user, live_settings.secret("superset_admin"))
    assert access, "the generated password is refused"
    base = live_settings.superset
    context = playwright.request.new_context(base_url=base, extra_http_headers={"Authorization": f"Bearer {access}"})
    csrf = context.get("/api/v1/security/csrf_token/").json()["result"]
    cookies = context.storage_state()
    context.dispose()
    headers = {"Authorization": f"Bearer {access}", "X-CSRFToken": csrf, "Referer": base}
    context = playwright.request.new_context(base_url=base, extra_http_headers=headers, storage_state=cookies)
    yield context
    context.dispose()
