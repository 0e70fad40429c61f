"""The guided tour's commands do what docs/tour.md says, on the stack that the README's commands leave."""

from __future__ import annotations

import re
import time

import pytest

from settings import ROOT, Settings
from stores import mysql
from tests.browser.conftest import run

pytestmark = pytest.mark.browser

COMMANDS = re.findall(r"```sh\n(.*?)\n```", (ROOT / "docs" / "tour.md").read_text(), re.DOTALL)
DEADLINE_SECONDS = 120
FEWEST_FAILED = 10
PAYMENTS = """
SELECT COALESCE(SUM(payment_failures), 0), COALESCE(SUM(payment_failures) / SUM(payment_failures + orders), 0)
FROM sales_by_minute WHERE (country = 'US') = %s AND minute >= %s"""


def test_the_incident_is_seen_in_its_country_alone(environment: dict[str, str], live_settings: Settings) -> None:
    up, incident, events, stop, verify = COMMANDS
    assert up == "make up"  # has been done
    with mysql.connected(live_settings, "reader", live_settings.domain) as connection:
        connection.autocommit = True
        [(minute,)] = mysql.query(connection, "SELECT MAX(minute) FROM sales_by_minute")
        assert "payments from US fail" in run(incident, environment)
        deadline = time.monotonic() + DEADLINE_SECONDS
        failed = share = 0
        while failed < FEWEST_FAILED or share < 0.5:
            assert time.monotonic() < deadline, (failed, share)
            time.sleep(0.5)  # between two polls
            [(failed, share)] = mysql.query(connection, PAYMENTS, (True, minute))
        [(_, share_of_others)] = mysql.query(connection, PAYMENTS, (False, minute))
    assert share_of_others < 0.3
    run(events, environment)
    run(stop, environment)
    assert "revenue_cents_off=0" in run(verify, environment)
