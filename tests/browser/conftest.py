"""The stack that the README's commands leave, and its dashboard in a browser."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Playwright, sync_playwright

from local.ports import free_ports
from local.throwaway import FOLDER, PORTS
from settings import ROOT, Settings, load
from tests.browser import chromium
from tests.browser.sales_live import SalesLive, browser

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
        "PRODUCER_BACKFILL_MINUTES": "10",
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
        SalesLive(page, live_settings).log_in()
        page.close()
        yield context


@pytest.fixture
def dashboard(logged_in: BrowserContext, live_settings: Settings) -> Iterator[SalesLive]:
    """In a tab of its own, to be opened."""
    page = logged_in.new_page()
    yield SalesLive(page, live_settings)
    page.close()
