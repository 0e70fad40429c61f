"""A report's page has what its rows say, as text, and loads nothing; arguments that can't be end with 78."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

import plotly.graph_objects as go
import pytest

from local import __main__ as front_door
from local.steps import StepError
from reports import __main__ as reports
from reports import domains
from reports.domains import market
from reports.page import Cell, Report, Section, Table, html
from reports.source import BadChoice, check
from tests.report_page import figures, table

START = datetime(2026, 3, 14, 4, 0)  # noqa: DTZ001 - as MySQL gives it
MADE_AT = datetime(2026, 3, 14, 12, 0, 7, tzinfo=UTC)


def bar(number: int, move: float, **others: Any) -> dict[str, Any]:
    prices = {"open": 100.0, "high": 103.0, "low": 97.0, "close": 100.0 + move}
    averages = dict.fromkeys(("sma_20", "sma_50", "band_upper", "band_lower"), 100.5 + number)
    rest = {"turnover": 1_000.0 + number, "rsi_14": 50.0, "unusual": 0}
    return {"bar": START + timedelta(minutes=5 * number)} | prices | averages | rest | others


def pair(symbol: str, change_24h: float | None, **others: Any) -> dict[str, Any]:
    now = {"price": 68_123.456, "change_1h": None, "high": 0.12345678, "low": 0.1, "turnover": 1_234_567.8}
    return {"symbol": symbol, "change_24h": change_24h, "age_seconds": 2.4, "last_told_at": START} | now | others


def page_of(**rows: Any) -> str:
    known = {"bars": [], "pairs": [pair("BTCUSDT", 0.01)], "correlations": []}
    return html(market.report(known | rows, {"symbol": "BTCUSDT", "step": "5m"}, MADE_AT))


def test_a_page_is_complete_in_itself() -> None:
    page = page_of(bars=[bar(0, 1)])
    assert page.count("<script src") == page.count("<link") == page.count("<img") == page.count('src="http') == 0
    assert "default-src 'none'" in page
    assert "plotly.js v" in page


def test_the_title_says_of_what_and_of_when() -> None:
    page = page_of()
    assert "<h1>BTCUSDT, bars of 5m</h1>" in page
    assert "Newest data 2026-03-14 04:00:00 UTC, report made 2026-03-14 12:00:07 UTC" in page


def test_bars_are_coloured_by_what_they_do() -> None:
    rows = [bar(0, 1), bar(1, -1), bar(2, 2, unusual=1)]
    figure = market.candles(rows).to_plotly_json()
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert by_name["Price"]["close"] == [101.0, 99.0]
    assert by_name["Price"]["increasing"]["line"]["color"] == "#0072B2"
    assert by_name["Price"]["decreasing"]["line"]["color"] == "#D55E00"
    assert by_name["Unusual"]["x"] == [rows[2]["bar"]]
    assert by_name["Turnover"]["marker"]["color"] == ["#0072B2", "#D55E00", "#0072B2"]
    assert by_name["SMA 20"]["y"] == [100.5, 101.5, 102.5]
    assert {name: by_name[name]["line"]["color"] for name in ("SMA 20", "SMA 50", "Band")} == {
        "SMA 20": "#E69F00",
        "SMA 50": "#009E73",
        "Band": "#999999",
    }


def test_prices_turnover_and_rsi_have_one_axis_of_time() -> None:
    layout = market.candles([bar(0, 1)]).layout
    assert layout.xaxis.matches == layout.xaxis2.matches == "x3"
    assert [shape.y0 for shape in layout.shapes] == [30, 70]


def test_correlations_are_a_square_with_gaps_where_there_is_none() -> None:
    rows = [
        {"symbol": one, "other_symbol": other[:3], "correlation": None if one != other else 1.0}
        for one in ("BTCUSDT", "ETHUSDT")
        for other in ("BTCUSDT", "ETHUSDT")
    ]
    [trace] = market.correlations(rows).data
    assert (trace.x, trace.y) == (("BTC", "ETH"), ("BTCUSDT", "ETHUSDT"))
    assert trace.z == ([1.0, None], [None, 1.0])


def test_gainers_are_above_losers() -> None:
    rows = [pair("AUSDT", -0.02), pair("BUSDT", 0.03), pair("CUSDT", 0.0), pair("DUSDT", None)]
    [trace] = market.gainers_and_losers(rows).data
    assert trace.y == ("AUSDT", "CUSDT", "BUSDT")
    assert trace.marker.color == ("#D55E00", "#0072B2", "#0072B2")


def test_prices_have_the_digits_that_they_need() -> None:
    [_, row] = table(page_of(pairs=[pair("BTCUSDT", -0.0123)]))
    assert row == ["BTCUSDT", "68,123.46", "", "-1.23%", "0.123457", "0.100000", "1,234,568", "2 s"]


def test_a_market_that_has_stood_still_for_long_has_a_page() -> None:
    candles, correlations, gainers = figures(page_of())
    assert candles.trace("SMA 20")["y"] == correlations.traces[0]["z"] == []
    assert gainers.traces[0]["x"] == [0.01]


def test_texts_are_no_markup() -> None:
    bad = "<b>&</script>"
    figure = go.Figure(go.Bar(x=[bad], y=[1]), layout={"height": 100})
    rows = Table([bad], [[Cell(bad)], [Cell(bad), Cell(bad, bad)]])
    page = html(Report(bad, [bad], [Section(bad, bad, figure), Section(bad, bad, rows)]))
    assert bad not in page
    assert figures(page)[0].traces[0]["x"] == [bad]
    [trace] = market.gainers_and_losers([pair(bad, 0.01)]).data
    assert trace.y == ("&lt;b&gt;&amp;&lt;/script&gt;",)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "DOMAIN"), (["weather"], "choose from 'market'"), (["market", "--pair", "BTCUSDT"], "--pair BTCUSDT")],
)
def test_arguments_that_can_not_be_end_with_78(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        reports.parse(arguments)
    assert ended.value.code == os.EX_CONFIG
    assert said in capsys.readouterr().err


def test_help_is_not_taken_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        reports.parse(["market", "--help"])
    told = capsys.readouterr()
    assert told.out == ""
    assert "(default: BTCUSDT)" in told.err


def test_a_choice_that_is_not_there_is_told_with_what_is() -> None:
    option = market.OPTIONS[1]
    check(option, "5m", ["1m", "5m"])
    with pytest.raises(BadChoice, match="--step '7m' is not allowed; there are: 1m, 5m"):
        check(option, "7m", ["1m", "5m"])


@pytest.mark.parametrize("domain", domains.names())
def test_defaults_are_what_nobody_chose(domain: str) -> None:
    options = domains.load(domain).OPTIONS
    assert reports.parse([domain]) == {"domain": domain, **{option.name: option.default for option in options}}


class Writing:
    """In place of a stack: writes this, and ends with this code."""

    def __init__(self, text: bytes, code: int = 0) -> None:
        self.text, self.code = text, code
        self.asked: tuple[str, ...] = ()

    def report(self, file: IO[bytes], *arguments: str) -> int:
        self.asked = arguments
        file.write(self.text)
        return self.code


def test_a_report_takes_the_place_of_the_one_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = front_door.parse(["report", "market", "--to", str(tmp_path / "new" / "a.html"), "--step", "1h"])
    stack = Writing(b"first")
    assert front_door.report(stack, given.to, given.arguments) == 0
    assert stack.asked == ("market", "--step", "1h")
    assert f"The report is in {given.to}" in capsys.readouterr().out
    assert stat.S_IMODE(given.to.stat().st_mode) == 0o600
    for nothing in (Writing(b"half", 78), Writing(b"")):
        assert front_door.report(nothing, given.to, ["market"]) == nothing.code
        assert given.to.read_text() == "first"
    assert capsys.readouterr().out == ""
    assert list(given.to.parent.iterdir()) == [given.to]


def test_without_a_place_it_is_called_like_its_domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_door, "ROOT", tmp_path)
    front_door.report(Writing(b"page"), None, ["--symbol", "ETHUSDT", "market"])
    assert (tmp_path / ".local" / "reports" / "market.html").read_text() == "page"


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place, said in ((tmp_path, "is a folder"), (tmp_path / "file" / "a.html", "can't be written")):
        with pytest.raises(StepError, match=said):
            front_door.report(Writing(b"page"), place, ["market"])
