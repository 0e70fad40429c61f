"""What dashboards that are left open cost: five tabs that ask again and again, without the browser's own drawing."""

from __future__ import annotations

import logging
import time

import pytest

from bench import processor
from local.native.stack import Stack
from settings import Settings
from stores import mysql
from tests.browser.dashboard import Dashboard
from tests.browser.received import ASK_AT_ONCE
from tests.dashboards import assets

pytestmark = [pytest.mark.browser, pytest.mark.long]
log = logging.getLogger(__name__)

TABS, REFRESHES = 5, 30  # some five minutes
LONGEST_LAG_S = 15.0
"""How far the stream may be behind meanwhile; it is 2 s where nobody looks."""
LONGEST_S = 20.0
"""It is 10 s where everything shares two cores, and 3 s for one tab."""
MOST_CORES = 1.4
"""Of Superset, whose one process takes no more than one, and of what MySQL does for it and for the stream."""

# Tabs that were opened one after the other ask so many times, each so long after its last answer, as pages do; says how
# long each refresh took, in ms.
ASK_AGAIN_AND_AGAIN = f"""async ([asked, tabs, refreshes, pauseMs]) => {{
  const ask = {ASK_AT_ONCE};
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const took = [];
  await Promise.all([...Array(tabs).keys()].map(async (tab) => {{
    await sleep(tab * pauseMs / tabs);
    for (let n = 0; n < refreshes; n++) {{
      took.push(await ask(asked));
      await sleep(pauseMs);
    }}
  }}));
  return took;
}}"""


LAG = """SELECT MAX(lag_ms) FROM progress_by_minute
WHERE query = 'aggregate' AND minute >= UTC_TIMESTAMP() - INTERVAL {minutes} MINUTE GROUP BY minute ORDER BY minute"""


def rows_of_superset(settings: Settings) -> int:
    """In all tables of Superset's own database."""
    with mysql.connected(settings, "superset", "superset") as connection:
        tables = [name for (name,) in mysql.query(connection, "SHOW TABLES")]
        return sum(mysql.query(connection, f"SELECT COUNT(*) FROM `{name}`")[0][0] for name in tables)


def test_five_open_tabs_are_served_and_leave_nothing(live: Stack, dashboard: Dashboard) -> None:
    dashboard.open()
    asked = list(dashboard.received.questions().values())
    dashboard.page.goto(f"{dashboard.address}/health")  # the page's own refresh would ask, too
    stack, rows = live, rows_of_superset(live.settings)

    before, began = processor.seconds(stack, ("superset", "mysql")), time.monotonic()
    pause_ms = 1000 * assets.REFRESH_S
    took_ms = dashboard.page.evaluate(ASK_AGAIN_AND_AGAIN, [asked, TABS, REFRESHES, pause_ms])
    lasted_s = time.monotonic() - began
    after = processor.seconds(stack, ("superset", "mysql"))
    cores = {name: round((after[name] - before[name]) / lasted_s, 2) for name in after}

    with mysql.connected(live.settings, "reader", live.settings.domain) as connection:
        lag_s = [float(ms) / 1000 for (ms,) in mysql.query(connection, LAG.format(minutes=int(lasted_s / 60)))]

    log.info("the stream was behind, minute by minute: %s s", lag_s)
    log.info("%d tabs, %d charts each: %.1f s at most, cores %s", TABS, len(asked), max(took_ms) / 1000, cores)
    assert max(lag_s) <= LONGEST_LAG_S
    assert max(took_ms) <= 1000 * LONGEST_S
    assert sum(cores.values()) <= MOST_CORES
    assert rows_of_superset(live.settings) == rows
