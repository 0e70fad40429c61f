"""A dashboard as a user sees it: what to click, and what is on the page.

Selectors are those of Superset 6.1. Nothing here waits for a fixed time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, Playwright

import passwords
from settings import Settings
from tests.browser import chromium
from tests.browser.received import Received
from tests.dashboards import assets
from tests.waiting import DEADLINE_S, wait_for

WIDTH, HEIGHT = 1440, 3800  # pixels; high enough for a whole dashboard: charts are drawn when they come into view
DEADLINE_MS = 1000 * DEADLINE_S

# What is wrong with each chart, by its name; empty when all of them show their data, or that there is none where that
# may be.
MISSING = """([names, mayBeEmpty]) => {
  const missing = {};
  for (const name of names) {
    const chart = document.querySelector(`[data-test-chart-name="${name}"]`);
    if (!chart) missing[name] = 'not on the page';
    else if (chart.querySelector('.loading, [data-test="loading-indicator"]')) missing[name] = 'loading';
    else if (mayBeEmpty && /No data|No results/.test(chart.innerText)) continue;
    else if (chart.querySelector('[role="alert"], .ant-alert, .ant-empty')) missing[name] = chart.innerText;
    else if (/No data|No results/.test(chart.innerText)) missing[name] = chart.innerText;
    else if (!chart.querySelector('.header-line, canvas, svg.datamap, tbody td:nth-child(2)')) {
      missing[name] = 'not drawn';
    }
  }
  return missing;
}"""


# Notes from now on when the number on a tile changes, and to what: in milliseconds since the epoch, as it is written.
FOLLOW = """(name) => {
  const chart = document.querySelector(`[data-test-chart-name="${name}"]`);
  const written = () => chart.querySelector('.header-line')?.innerText;
  const followed = window.followed = [[Date.now(), written()]];
  new MutationObserver(() => {
    const now = written();
    if (now && now !== followed.at(-1)[1]) followed.push([Date.now(), now]);
  }).observe(chart, {subtree: true, childList: true, characterData: true});
}"""


# Superset's own log of clicks is not sent: while it is, the log-in's redirect may be lost.
UNTOLD = "navigator.sendBeacon = () => true"


# Superset's answers, but of dashboards that do not refresh themselves: their menus stay open. To change them on their
# way would be simpler, but then Chromium keeps neither files nor compiled code.
WITHOUT_REFRESH = r"""const ask = window.fetch;
window.fetch = async (...words) => {
  const answer = await ask(...words);
  if (!/\/api\/v1\/dashboard\/[\w-]+$/.test(answer.url)) return answer;
  const text = (await answer.text()).replace(/(refresh_frequency\\?":\s*)\d+/, '$10');
  return new Response(text, {status: answer.status, headers: answer.headers});
}"""


# The texts of some columns of the table in a window, row by row; the numbers of its rows are rows of their own.
CELLS = """(of, columns) => [...of.querySelectorAll('.ag-row')]
  .map(row => columns.map(column => row.querySelector(`[col-id="${column}"]`)?.innerText))
  .filter(texts => texts.every(text => text))"""


# The middle one of the points that have the colour of most points which are neither white nor clear, as parts of the
# picture's width and height.
LARGEST_SLICE = """(canvas) => {
  const {width, height} = canvas;
  const points = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, width, height).data.buffer);
  const having = new Map();
  points.forEach((colour, at) => {
    if (colour === 0 || colour === 0xffffffff) return;
    if (!having.has(colour)) having.set(colour, []);
    having.get(colour).push(at);
  });
  const most = [...having.values()].reduce((a, b) => (b.length > a.length ? b : a), []);
  const at = most[most.length >> 1];
  return most.length ? [(at % width + 0.5) / width, (Math.floor(at / width) + 0.5) / height] : null;
}"""


# What is written in each chart, by its name.
TEXTS = """() => Object.fromEntries([...document.querySelectorAll('[data-test-chart-name]')].map(
  chart => [chart.dataset.testChartName, chart.innerText.slice(0, 500)]))"""


class Dashboard:
    """A dashboard in one browser tab; `charts` are the names of those that are to be seen: of the tab chosen last."""

    def __init__(self, page: Page, settings: Settings, slug: str = "sales-live") -> None:
        self.page = page
        self.received = Received(page)
        self.settings = settings
        self.address = settings.superset
        self.slug = slug
        self.files = assets.read(settings.domain)
        self.described = self.files.dashboards[slug]
        self.tabs = list(self.described.get("tabs", {"": None}))
        self.charts = list(self.charts_of(self.tabs[0]).values())
        self.may_be_empty = False
        """Whether there need not be data for every chart."""

    def charts_of(self, tab: str) -> dict[str, str]:
        """Of a tab, or of a dashboard without tabs: a chart's file -> its name on the page."""
        rows = self.described["tabs"][tab] if tab else self.described["rows"]
        return {name: self.files.charts[name]["slice_name"] for row in rows for name in row["charts"]}

    def open(self, time_range: str | None = None, charts: Sequence[str] | None = None, refreshes: bool = False) -> None:
        """Opens the dashboard, with a time range (`since : until`) in place of the last hour where one is given, and
        waits for `charts`, by default all. Without `refreshes` it stays as it is until something is clicked."""
        if not refreshes:
            self.page.add_init_script(WITHOUT_REFRESH)
        address = f"{self.address}/superset/dashboard/{self.slug}/"
        if time_range:
            address += (
                "?native_filters=(NATIVE_FILTER-time:(id:NATIVE_FILTER-time,ownState:(),"
                f"extraFormData:(time_range:'{time_range}'),filterState:(value:'{time_range}')))"
            )
        self.page.goto(address)
        if charts is not None:
            self.charts = list(charts)
        self.wait_until_drawn()

    def choose_tab(self, title: str) -> None:
        """Goes to one of the dashboard's tabs, and waits until its charts show their data."""
        self.page.get_by_role("tab", name=title).click()
        self.charts = list(self.charts_of(title).values())
        self.wait_until_drawn()

    def wait_until_drawn(self) -> None:
        """Returns when every chart shows data, and `received` has it; raises AssertionError that names the charts that
        don't in time."""
        try:
            arguments = [self.charts, self.may_be_empty]
            self.page.wait_for_function(f"asked => Object.keys(({MISSING})(asked)).length === 0", arg=arguments)
        except Exception as error:
            raise AssertionError(f"{self.slug}: charts without data: {self.missing()}") from error
        wait_for(f"{self.slug}: what the charts were sent", lambda: self.received.all_of(self.charts))

    def missing(self) -> dict[str, str]:
        """What is wrong with each chart that does not show its data."""
        return self.page.evaluate(MISSING, [self.charts, self.may_be_empty])

    def chart(self, name: str) -> Locator:
        return self.page.locator(f'[data-test-chart-name="{name}"]')

    @property
    def tooltip(self) -> Locator:
        """What stands beside the mouse."""
        return self.page.locator(".echarts-tooltip").locator("visible=true")

    @property
    def window(self) -> Locator:
        """The window that a click has opened over the page."""
        return self.page.locator(".ant-modal")

    def tile(self, name: str) -> str:
        """The big number on a tile, as it is written there."""
        return self.chart(name).locator(".header-line").inner_text()

    def comparison(self, name: str) -> str:
        """The line under the big number."""
        return self.chart(name).locator(".subheader-line").inner_text()

    def follow(self, name: str) -> None:
        """From now on, `followed` tells when the big number on a tile changed."""
        self.page.evaluate(FOLLOW, name)

    def followed(self) -> list[tuple[float, str]]:
        """(seconds since the epoch, big number from then on), in order."""
        return [(at_ms / 1000, written) for at_ms, written in self.page.evaluate("window.followed")]

    def applied_filters(self, name: str) -> int:
        """How many filters a chart says that it applies."""
        count = self.chart(name).locator('[data-test="applied-filter-count"] sup')
        return int(count.get_attribute("title")) if count.count() else 0

    def apply(self, filters: Mapping[str, int]) -> bool:
        """Whether charts, by their names, say that they apply so many filters."""
        return all(self.applied_filters(name) == count for name, count in filters.items())

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

    def choose(self, opens: Locator, item: Locator) -> None:
        """Chooses an item of the menu that opens under the mouse. The mouse stays there: on its way to the item it
        would pass over others, and the menu may close. A menu that was moved meanwhile is not under it any more."""

        def is_open() -> bool:
            opens.hover()
            return item.is_visible()

        wait_for("the menu is open", is_open)
        item.dispatch_event("click")

    def download(self, name: str) -> Path:
        """A chart's data as the CSV file that its menu has."""
        self.chart(name).get_by_label("More Options").click()
        with self.page.expect_download() as coming:
            self.choose(
                self.page.get_by_text("Download", exact=True), self.page.get_by_text("Export to .CSV", exact=True)
            )
        self.page.keyboard.press("Escape")
        return coming.value.path()

    def slice(self, chart: Locator) -> tuple[float, float]:
        """Where on the page the largest slice of a pie is: wherever most of the picture has its colour."""
        canvas = chart.locator("canvas").first
        canvas.wait_for()
        box = canvas.bounding_box()
        x, y = self.page.wait_for_function(LARGEST_SLICE, arg=canvas.element_handle()).json_value()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def hover(self, pie: str) -> None:
        """Holds the mouse over the largest slice of a pie."""
        self.page.mouse.move(*self.slice(self.chart(pie)))

    def drill_to_detail(self, pie: str) -> None:
        """Opens the rows behind the largest slice of a pie."""
        self.page.mouse.click(*self.slice(self.chart(pie)), button="right")
        self.page.get_by_text("Drill to detail", exact=True).locator("visible=true").last.dispatch_event("click")

    def drill_by(self, column: str, pie: str = "") -> None:
        """Goes into the largest slice of a pie, split by a column; without a name, of the pie in the window."""
        chart = self.chart(pie) if pie else self.window
        if not pie:
            chart.get_by_text("Chart", exact=True).click()
        self.page.mouse.click(*self.slice(chart), button="right")
        columns = self.page.locator('[data-test="drill-by-submenu"]').locator("visible=true").last
        self.choose(
            self.page.get_by_text("Drill by", exact=True).locator("visible=true").last,
            columns.get_by_text(column, exact=True),
        )

    def drilled(self, column: str, figure: str) -> dict[str, str]:
        """What the table in the window of "Drill by" says now: a column -> a figure, as it is written.

        While the window's chart is loading the table may not come, or may go again: then there is nothing yet.
        """
        self.window.get_by_text("Table", exact=True).click()
        return dict(self.window.evaluate(CELLS, [column, figure]))

    def keep(self, folder: Path) -> dict[str, str]:
        """Leaves a picture of the page and the data that its charts were sent in a folder; returns each chart's text
        on the page."""
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{self.slug}.png")
        (folder / f"{self.slug}.json").write_text(json.dumps(self.received.rows(), indent=1, default=str))
        return self.page.evaluate(TEXTS)


def log_in(page: Page, settings: Settings) -> None:
    """As the admin, whatever dashboards there are."""
    page.goto(f"{settings.superset}/login/")
    page.locator("input#username, input[name=username]").fill(settings.superset_admin_user)
    page.locator("input[type=password]").fill(passwords.read(settings, "superset_admin"))
    page.locator("button[type=submit]").click()
    page.wait_for_url(lambda address: "/login" not in address)


@contextmanager
def admins_browser(playwright: Playwright, settings: Settings) -> Iterator[BrowserContext]:
    """A fresh browser in which the admin is logged in."""
    with browser(playwright) as context:
        page = context.new_page()
        log_in(page, settings)
        page.close()
        yield context


@contextmanager
def browser(playwright: Playwright) -> Iterator[BrowserContext]:
    """A fresh browser, without cookies; raises chromium.NoBrowserError."""
    context = playwright.chromium.launch_persistent_context(
        "",  # a folder of its own; only a browser with one keeps what it has compiled
        executable_path=chromium.executable(),
        args=list(chromium.ARGUMENTS),
        viewport={"width": WIDTH, "height": HEIGHT},
    )
    try:
        context.set_default_timeout(DEADLINE_MS)
        context.add_init_script(UNTOLD)
        yield context
    finally:
        context.close()
