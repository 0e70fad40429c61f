"""Takes the picture of the dashboard for the README: python -m tests.browser.screenshot

From the running stack, into docs/sales-live.png, 1440 pixels wide and as high as the dashboard.
"""

from __future__ import annotations

from playwright.sync_api import sync_playwright

import settings
from tests.browser.sales_live import WIDTH, SalesLive, browser

PICTURE = settings.ROOT / "docs" / "sales-live.png"

MARGIN = 16  # pixels

# A chart that has been drawn to its end stays as it is.
STILL = """() => {
  const now = [...document.querySelectorAll('canvas')].map(c => c.toDataURL()).join();
  const still = now === window.before;
  window.before = now;
  return still;
}"""


def main() -> None:
    with sync_playwright() as playwright, browser(playwright) as context:
        page = context.new_page()
        dashboard = SalesLive(page, settings.load())
        dashboard.log_in()
        dashboard.open()
        page.wait_for_function(STILL, polling=500)
        bottom = page.locator(".dashboard-component-chart-holder").last.bounding_box()
        height = bottom["y"] + bottom["height"] + MARGIN
        page.screenshot(path=PICTURE, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})


if __name__ == "__main__":
    main()
