"""The dashboard Sales live as a user sees it: what to click, and what is on the page.

Selectors are those of Superset 6.1. Nothing here waits for a fixed time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Page, Playwright

from settings import Settings
from tests.browser import chromium

CHARTS = (
    "Revenue",
    "Orders",
    "Average order value",
    "Conversion",
    "Units sold",
    "Refunded",
    "Active shoppers now",
    "Age of the data",
    "Revenue per minute",
    "Funnel",
    "Top items",
    "Revenue by category",
    "Revenue by country",
    "Revenue by traffic source",
    "Revenue by device",
)
WIDTH, HEIGHT = 1440, 2000  # pixels; high enough for the whole dashboard: charts are drawn when they come into view
DEADLINE_MS = 120_000

# What is wrong with each chart, by its name; empty when all of them show their data.
MISSING = """(names) => {
  const missing = {};
  for (const name of names) {
    const chart = document.querySelector(`[data-test-chart-name="${name}"]`);
    if (!chart) missing[name] = 'not on the page';
    else if (chart.querySelector('.loading, [data-test="loading-indicator"]')) missing[name] = 'loading';
    else if (chart.querySelector('[role="alert"], .ant-alert, .ant-empty')) missing[name] = chart.innerText;
    else if (/No data|No results/.test(chart.innerText)) missing[name] = chart.innerText;
    else if (!chart.querySelector('.header-line, canvas, tbody td:nth-child(2)')) missing[name] = 'not drawn';
  }
  return missing;
}"""


class SalesLive:
    """The dashboard in one browser tab."""

    def __init__(self, page: Page, settings: Settings) -> None:
        self.page = page
        self.settings = settings
        self.address = settings.superset

    def log_in(self) -> None:
        self.page.goto(f"{self.address}/login/")
        self.page.locator("input#username, input[name=username]").fill(self.settings.superset_admin_user)
        self.page.locator("input[type=password]").fill(self.settings.secret("superset_admin"))
        self.page.locator("button[type=submit]").click()
        self.page.wait_for_url(lambda address: "/login" not in address)

    def open(self, time_range: str | None = None) -> None:
        """Opens the dashboard, with a time range (`since : until`) in place of the last hour where one is given."""
        address = f"{self.address}/superset/dashboard/sales-live/"
        if time_range:
            address += (
                "?native_filters=(NATIVE_FILTER-time:(id:NATIVE_FILTER-time,ownState:(),"
                f"extraFormData:(time_range:'{time_range}'),filterState:(value:'{time_range}')))"
            )
        self.page.goto(address)
        self.wait_until_drawn()

    def wait_until_drawn(self) -> None:
        """Returns when every chart shows data; raises AssertionError that names the ones that don't in time."""
        try:
            self.page.wait_for_function(f"names => Object.keys(({MISSING})(names)).length === 0", arg=list(CHARTS))
        except Exception as error:
            raise AssertionError(f"charts without data: {self.missing()}") from error

    def missing(self) -> dict[str, str]:
        """What is wrong with each chart that does not show its data."""
        return self.page.evaluate(MISSING, list(CHARTS))

    def chart(self, name: str):
        return self.page.locator(f'[data-test-chart-name="{name}"]')

    def tile(self, name: str) -> str:
        """The big number on a tile, as it is written there."""
        return self.chart(name).locator(".header-line").inner_text()

    def comparison(self, name: str) -> str:
        """The line under the big number."""
        return self.chart(name).locator(".subheader-line").inner_text()

    def number(self, name: str) -> float:
        """The big number on a tile: `€ 1,234.50` is 1234.5, `4.2%` is 4.2."""
        return float(self.tile(name).strip("€% ").replace(",", ""))

    def applied_filters(self, name: str) -> int:
        """How many filters a chart says that it applies."""
        count = self.chart(name).locator('[data-test="applied-filter-count"] sup')
        return int(count.get_attribute("title")) if count.count() else 0

    def filter(self, column: str, value: str) -> None:
        """Chooses a value of the filter on `column` by clicking, and applies it."""
        select = self.page.locator(".ant-select", has=self.page.locator(f"#NATIVE_FILTER-{column}"))
        if not select.is_visible():
            self.page.get_by_text("More filters").click()
        select.click()
        self.page.keyboard.type(value)
        self.page.locator(f'.ant-select-item-option[title="{value}"]').click()
        self.page.keyboard.press("Escape")
        self.page.get_by_role("button", name="Apply").first.click()


@contextmanager
def browser(playwright: Playwright) -> Iterator[BrowserContext]:
    """A fresh browser, without cookies; raises chromium.NoBrowserError."""
    program = playwright.chromium.launch(executable_path=chromium.executable(), args=list(chromium.ARGUMENTS))
    try:
        context = program.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        context.set_default_timeout(DEADLINE_MS)
        # Superset's own log of clicks: while it is being sent, the log-in's redirect may be lost.
        context.route("**/superset/log/**", lambda route: route.abort())
        yield context
    finally:
        program.close()
