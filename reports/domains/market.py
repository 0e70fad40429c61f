"""The market: a pair's candles and indicators, and how all pairs do, from the views that the dashboards read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from html import escape
from math import floor, log10
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from reports.page import Cell, Report, Section, Table
from reports.source import Option, Rows

OPTIONS = (
    Option("symbol", "BTCUSDT", "the pair", "SELECT symbol FROM pairs ORDER BY symbol"),
    Option("step", "5m", "how long a bar is", "SELECT step FROM steps ORDER BY seconds"),
)
QUERIES = {
    "bars": (
        "SELECT bar, open, high, low, close, turnover, sma_20, sma_50, band_upper, band_lower, rsi_14, unusual "
        "FROM shown_indicators WHERE symbol = %(symbol)s AND step = %(step)s ORDER BY bar"
    ),
    "pairs": (
        "SELECT symbol, price, change_1h, change_24h, high, low, turnover, age_seconds, last_told_at "
        "FROM pairs ORDER BY turnover DESC, symbol"
    ),
    "correlations": "SELECT symbol, other_symbol, correlation FROM correlations ORDER BY symbol, other_symbol",
}

# The dashboard's colours, which colour-blind people can tell apart.
RISING, FALLING, UNUSUAL = "#0072B2", "#D55E00", "#CC79A7"
SMA_20, SMA_50, BAND = "#E69F00", "#009E73", "#999999"
GRID = "#e5e5e5"


def report(rows: Mapping[str, Rows], chosen: Mapping[str, str], made_at: datetime) -> Report:
    symbol, step = chosen["symbol"], chosen["step"]
    newest = next(pair["last_told_at"] for pair in rows["pairs"] if pair["symbol"] == symbol)
    return Report(
        title=f"{symbol}, bars of {step}",
        facts=[f"Newest data {newest:%Y-%m-%d %H:%M:%S} UTC, report made {made_at:%Y-%m-%d %H:%M:%S} UTC"],
        sections=[
            Section(
                "Candles, turnover, RSI",
                f"The last {len(rows['bars'])} bars: rising ones are blue, falling ones vermilion, unusual ones "
                "purple. The band is Bollinger's. Times in UTC.",
                candles(rows["bars"]),
            ),
            Section(
                "Correlations",
                "How far two pairs move together, from -1 to 1, by their returns in five minutes over 25 hours.",
                correlations(rows["correlations"]),
                narrow=True,
                least_px=560,
            ),
            Section(
                "Gainers and losers",
                "By how much each price has changed within 24 hours: blue is a rise, vermilion a fall.",
                gainers_and_losers(rows["pairs"]),
                narrow=True,
            ),
            Section("Prices", "Each pair as it was when the report was made.", prices(rows["pairs"])),
        ],
    )


def candles(bars: Rows) -> go.Figure:
    """Prices, turnover and RSI, one below the other, over the same time."""
    figure = make_subplots(rows=3, shared_xaxes=True, vertical_spacing=0.03, row_heights=[0.6, 0.2, 0.2])
    times = _column(bars, "bar")

    def line(name: str, column: str, row: int = 1, **look: Any) -> None:
        figure.add_scatter(x=times, y=_numbers(bars, column), name=name, mode="lines", row=row, col=1, **look)

    line("Band", "band_upper", line={"color": BAND, "width": 1}, legendgroup="band")
    shade = {"fill": "tonexty", "fillcolor": "rgba(153,153,153,0.15)", "legendgroup": "band", "showlegend": False}
    line("Band, lower", "band_lower", line={"color": BAND, "width": 1}, **shade)
    for name, rising, falling, unusual in (("Price", RISING, FALLING, False), ("Unusual", UNUSUAL, UNUSUAL, True)):
        some = [bar for bar in bars if bool(bar["unusual"]) is unusual]
        figure.add_candlestick(
            x=_column(some, "bar"),
            **{part: _numbers(some, part) for part in ("open", "high", "low", "close")},
            name=name,
            increasing={"line": {"color": rising, "width": 1}, "fillcolor": rising},
            decreasing={"line": {"color": falling, "width": 1}, "fillcolor": falling},
            showlegend=False,
            row=1,
            col=1,
        )
    line("SMA 20", "sma_20", line={"color": SMA_20, "width": 1.5})
    line("SMA 50", "sma_50", line={"color": SMA_50, "width": 1.5})
    colours = [RISING if bar["close"] >= bar["open"] else FALLING for bar in bars]
    turnover = _numbers(bars, "turnover")
    figure.add_bar(x=times, y=turnover, name="Turnover", marker={"color": colours}, showlegend=False, row=2, col=1)
    line("RSI 14", "rsi_14", row=3, line={"color": RISING, "width": 1.5}, showlegend=False)
    for level in (30, 70):
        figure.add_hline(level, line={"color": BAND, "width": 1, "dash": "dash"}, row=3, col=1)
    figure.update_xaxes(rangeslider_visible=False)
    figure.update_yaxes(title="Price", tickformat=",.6~g", row=1, col=1)
    figure.update_yaxes(title="Turnover", tickformat=".3~s", row=2, col=1)
    figure.update_yaxes(title="RSI 14", range=[0, 100], tickvals=[30, 70], row=3, col=1)
    return _in_our_look(figure, height=720, hovermode="x unified", bargap=0.2)


def correlations(rows: Rows) -> go.Figure:
    found = {(row["symbol"], row["other_symbol"]): row["correlation"] for row in rows}
    symbols, others = (list(dict.fromkeys(names)) for names in zip(*found, strict=True)) if found else ([], [])
    figure = go.Figure(
        go.Heatmap(
            x=list(map(escape, others)),
            y=list(map(escape, symbols)),
            z=[[found.get((symbol, other)) for other in others] for symbol in symbols],
            zmin=-1,
            zmax=1,
            colorscale=[FALLING, "#ffffff", RISING],
            texttemplate="%{z:.2f}",
            hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    figure.update_yaxes(autorange="reversed")
    return _in_our_look(figure, height=460)


def gainers_and_losers(pairs: Rows) -> go.Figure:
    """The greatest gain is at the top."""
    by_change = sorted((pair for pair in pairs if pair["change_24h"] is not None), key=lambda pair: pair["change_24h"])
    changes = _numbers(by_change, "change_24h")
    figure = go.Figure(
        go.Bar(
            x=changes,
            y=[escape(pair["symbol"]) for pair in by_change],
            orientation="h",
            marker={"color": [_colour(change) for change in changes]},
            texttemplate="%{x:+.1%}",
            textposition="outside",
            hovertemplate="%{y}: %{x:+.2%}<extra></extra>",
            cliponaxis=False,
        )
    )
    low, high = min([0, *changes]), max([0, *changes])
    room = 0.2 * (high - low)  # for the texts
    figure.update_xaxes(tickformat=".1~%", nticks=5, range=[low - room, high + room] if room else None)
    return _in_our_look(figure, height=460)


def prices(pairs: Rows) -> Table:
    return Table(
        ("Pair", "Price", "1 hour", "24 hours", "High", "Low", "Turnover of 24 hours", "Age of its feed"),
        [
            (
                Cell(pair["symbol"]),
                Cell(_price(pair["price"])),
                _change(pair["change_1h"]),
                _change(pair["change_24h"]),
                Cell(_price(pair["high"])),
                Cell(_price(pair["low"])),
                Cell(f"{pair['turnover']:,.0f}"),
                Cell(f"{pair['age_seconds']:,.0f} s"),
            )
            for pair in pairs
        ],
    )


def _column(rows: Rows, name: str) -> list[Any]:
    return [row[name] for row in rows]


def _numbers(rows: Rows, name: str) -> list[float | None]:
    """A column of numbers, which MySQL may give as decimals."""
    return [None if value is None else float(value) for value in _column(rows, name)]


def _colour(change: float) -> str:
    return RISING if change >= 0 else FALLING


def _price(price: float) -> str:
    """To six digits, as prices of very different size are told, but to cents at least."""
    digits = 5 - floor(log10(price)) if price > 0 else 2
    return f"{price:,.{min(max(digits, 2), 8)}f}"


def _change(change: float | None) -> Cell:
    return Cell("") if change is None else Cell(f"{change:+.2%}", _colour(change))


def _in_our_look(figure: go.Figure, **layout: Any) -> go.Figure:
    figure.update_layout(
        template="none",
        font={"family": "system-ui, sans-serif", "size": 12, "color": "#222"},
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1, "x": 0},
        dragmode=False,
        **layout,
    )
    figure.update_xaxes(automargin=True, gridcolor=GRID, zerolinecolor=GRID)
    figure.update_yaxes(automargin=True, gridcolor=GRID, zerolinecolor=GRID)
    return figure
