"""A dashboard on a phone."""

from __future__ import annotations

from tests.browser.dashboard import Dashboard

WIDTH, HEIGHT = 390, 844  # pixels


def assert_below_each_other(dashboard: Dashboard) -> None:
    """Opens a dashboard on a phone: its first tab's charts stand below each other, but for two tiles a row, and nothing
    scrolls sideways."""
    dashboard.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    dashboard.open(charts=dashboard.charts[:1])
    boxes = {name: dashboard.chart(name).bounding_box() for name in dashboard.charts_of(dashboard.tabs[0]).values()}
    assert not {name: box for name, box in boxes.items() if not 0 <= box["x"] < box["x"] + box["width"] <= WIDTH}
    tops = [box["y"] for box in boxes.values()]
    assert tops == sorted(tops)
    assert all(tops.count(top) <= 2 for top in tops)  # tiles
    assert dashboard.page.evaluate("document.documentElement.scrollWidth") == WIDTH, "nothing to scroll sideways"
