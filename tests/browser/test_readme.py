"""The README's commands did what the README says; see the fixture `readme`."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import Followed

pytestmark = pytest.mark.browser


def test_the_first_start_ends_with_the_dashboard(readme: Followed) -> None:
    assert "/superset/dashboard/sales-live/" in readme.printed["make up"]
    assert "superset_admin" in readme.printed["make up"]


def test_verify_prints_its_line(readme: Followed) -> None:
    assert re.search(r"verify: acknowledged=[1-9]\d* .* amount_off=0", readme.printed["make verify"])


def test_status_has_figures(readme: Followed) -> None:
    assert re.search(r"latency p95 +\d", readme.printed["make status"])


def test_raw_events_are_found(readme: Followed) -> None:
    events = next(output for command, output in readme.printed.items() if command.startswith("make events"))
    assert '"event_name"' in events


def test_more_events_a_second_are_no_reason_to_set_up_superset_again(readme: Followed) -> None:
    assert re.search(r"superset set-up +unchanged", readme.printed["make up PRODUCER_RATE=300"])
