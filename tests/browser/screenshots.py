"""Takes the pictures of the dashboards for the docs: python -m tests.browser.screenshots

Of each domain, seeded, on a stack of its own, after some minutes; a picture a dashboard and tab: docs/<slug>.png, and
docs/<slug>-<tab>.png for further tabs; 1440 pixels wide and as high as the dashboard. With words only the dashboards
of these slugs: python -m tests.browser.screenshots market-live
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import settings
from local.runtime import SERVERS
from local.throwaway import throwaway_stack
from settings import Settings
from stores import mysql
from tests.browser.dashboard import WIDTH, Dashboard, admins_browser
from tests.dashboards import PIPELINE, assets

DOCS = settings.ROOT / "docs"
MARGIN = 16  # pixels
SEED = 1
RATES = {"ecommerce": 200.0, "market": 50.0}
"""Events a second of each domain of which there are pictures."""
LIVE_MINUTES = 8
LOOK_EVERY_S = 5
DEADLINE_S = 1800
QUICK_MINUTES = "SELECT COUNT(DISTINCT minute) FROM latency_by_minute WHERE latency_ms < 5000"

# A chart that has been drawn to its end stays as it is.
STILL = """() => {
  const now = [...document.querySelectorAll('canvas')].map(c => c.toDataURL()).join();
  const still = now === window.before;
  window.before = now;
  return still;
}"""


def take(page: Page, path: Path) -> None:
    """A picture of what the page shows, down to its last chart."""
    page.wait_for_function(STILL, polling=500)
    boxes = [box.bounding_box() for box in page.locator(".dashboard-component-chart-holder").all()]
    bottom = max(box["y"] + box["height"] for box in boxes if box)
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": WIDTH, "height": bottom + MARGIN})
    sys.stdout.write(f"{path}\n")


def take_all(dashboard: Dashboard) -> None:
    """Pictures of all its tabs."""
    dashboard.may_be_empty = True  # there need not be a warning
    dashboard.open()
    for number, tab in enumerate(dashboard.tabs):
        if number:
            dashboard.choose_tab(tab)
        take(dashboard.page, DOCS / picture(dashboard.slug, tab, number == 0))
    dashboard.page.close()


def picture(slug: str, tab: str, first: bool) -> str:
    """The name of the picture of a dashboard's tab."""
    return f"{slug}.png" if first else f"{slug}-{re.sub(r'[^a-z]+', '-', tab.lower())}.png"


def pictured(domain: str) -> list[str]:
    """The dashboards to take pictures of. Those that every domain has are in those of the first one."""
    files = assets.read(domain)
    own = [slug for slug in files.dashboards if slug not in PIPELINE or domain == next(iter(RATES))]
    return [slug for slug in own if slug in (sys.argv[1:] or own)]


@contextmanager
def seeded(domain: str) -> Iterator[Settings]:
    """The settings of a stack of its own, in which a seeded domain has gone on for some minutes."""
    with throwaway_stack((*SERVERS, "spark", "superset"), domains=(domain,), producer_rate=RATES[domain]) as stack:
        producer = subprocess.Popen(
            [sys.executable, "-m", "producer", "--seed", str(SEED)],
            cwd=settings.ROOT,
            env={**os.environ, **settings.as_environment(stack.settings)},
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_live_minutes(stack.settings)
            yield stack.settings
        finally:
            producer.terminate()
            producer.wait()


def wait_for_live_minutes(stack: Settings) -> None:
    """Returns when some minutes were counted as they passed, not among the history from before the start."""
    deadline = time.monotonic() + DEADLINE_S
    live = 0
    while live < LIVE_MINUTES:
        assert time.monotonic() < deadline, f"{live} minutes after {DEADLINE_S} s"
        time.sleep(LOOK_EVERY_S)
        with mysql.connected(stack, "reader", stack.domain) as connection:
            [(live,)] = mysql.query(connection, QUICK_MINUTES)
        sys.stdout.write(f"\r{live} of {LIVE_MINUTES} minutes")
        sys.stdout.flush()
    sys.stdout.write("\n")


def main() -> None:
    for domain in filter(pictured, RATES):
        with seeded(domain) as stack, sync_playwright() as playwright, admins_browser(playwright, stack) as context:
            for slug in pictured(domain):
                take_all(Dashboard(context.new_page(), stack, slug))


if __name__ == "__main__":
    main()
