"""The guided tour's commands do what docs/tour.md says, on the stack that the README's commands leave."""

from __future__ import annotations

import re

import pytest

from local.native.stack import Stack
from settings import ROOT
from stores import mysql
from tests.browser.conftest import run
from tests.waiting import wait_for

pytestmark = [pytest.mark.browser, pytest.mark.long]

COMMANDS = re.findall(r"```sh\n(.*?)\n```", (ROOT / "docs" / "tour.md").read_text(), re.DOTALL)
FEWEST_FAILED = 10
PAYMENTS = """
SELECT COALESCE(SUM(payment_failures), 0), COALESCE(SUM(payment_failures) / SUM(payment_failures + orders), 0)
FROM sales_by_minute WHERE (country = 'US') = %s AND minute >= %s"""


def test_the_incident_is_seen_in_its_country_alone(environment: dict[str, str], live: Stack) -> None:
    up, incident, events, stop, verify = COMMANDS
    assert up == "make up"  # has been done
    settings = live.settings
    with mysql.connected(settings, "reader", settings.domain) as connection:
        connection.autocommit = True
        [(minute,)] = mysql.query(connection, "SELECT MAX(minute) FROM sales_by_minute")
        assert "payments from US fail" in run(incident, environment)

        def failing() -> bool:
            [(failed, share)] = mysql.query(connection, PAYMENTS, (True, minute))
            return failed >= FEWEST_FAILED and share > 0.5

        wait_for("most payments from US fail", failing)
        [(_, share_of_others)] = mysql.query(connection, PAYMENTS, (False, minute))
    assert share_of_others < 0.3
    run(events, environment)
    run(stop, environment)
    assert "amount_off=0" in run(verify, environment)
