"""The market alone, in containers: exact, with a week of candles as soon as the stack works; its report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from local.compose.stack import ComposeStack
from tests.compose.commands import make, verified
from tests.compose.conftest import started
from tests.compose.inspection import python

pytestmark = [pytest.mark.compose, pytest.mark.long]

SPAN = """
import settings
from stores import mysql
of = settings.load().one("market")
span = "SELECT symbol, TIMESTAMPDIFF(HOUR, MIN(minute), MAX(minute)) FROM candles_by_minute GROUP BY symbol"
with mysql.connected(of, "reader", of.domain) as connection:
    for row in mysql.query(connection, span):
        print(*row)
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    with started(tmp_path_factory.mktemp("market"), domains=("market",)) as stack:
        yield stack


def test_the_market_alone_is_exact(market: ComposeStack) -> None:
    verified(market)


def test_every_pair_has_a_week_of_candles(market: ComposeStack) -> None:
    spans = dict(line.split() for line in python(market, "audit", SPAN).stdout.splitlines())
    week = timedelta(days=market.settings.producer_history_days)
    assert spans
    assert all(timedelta(hours=int(hours)) >= week for hours in spans.values()), spans


def test_its_report_is_written_from_a_container(market: ComposeStack, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    make(market, "report", f"ARGS=market --to {path}")
    page = path.read_text()
    assert "BTCUSDT" in page
    assert "plotly" in page.lower()
