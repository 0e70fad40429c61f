"""A report as one page of HTML that needs nothing else: plotly.js is in it, and it may load nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

TEMPLATE = Template(Path(__file__).with_name("page.html").read_text())
CONFIG = {"responsive": True, "displaylogo": False, "displayModeBar": False}


class Cell(NamedTuple):
    """A text, and its colour where that says something."""

    text: str
    colour: str = ""


@dataclass(frozen=True)
class Table:
    """Plain texts. The first cell of a row says what the row is of."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Section:
    """A figure or a table under a heading; `note` says how to read it. A narrow one stands beside another one; where
    there is less room than `least_px` it can be moved."""

    heading: str
    note: str
    content: go.Figure | Table
    narrow: bool = False
    least_px: int = 0


@dataclass(frozen=True)
class Report:
    """`facts` say what the report is of, and as of when."""

    title: str
    facts: Sequence[str]
    sections: Sequence[Section]


def html(report: Report) -> str:
    """The page. Texts are escaped here, but for those inside of figures: there plotly reads some markup."""
    return TEMPLATE.substitute(
        title=escape(report.title),
        facts="\n".join(f"<p>{escape(fact)}</p>" for fact in report.facts),
        plotlyjs=get_plotlyjs(),
        sections="\n".join(_section(section, number) for number, section in enumerate(report.sections)),
    )


def _section(section: Section, number: int) -> str:
    is_table = isinstance(section.content, Table)
    content = _table(section.content) if is_table else _figure(section.content, f"figure-{number}")
    return (
        f'<section class="{"narrow" if section.narrow else "wide"}"><h2>{escape(section.heading)}</h2>'
        f"<p>{escape(section.note)}</p>\n"
        f'<div class=scrolls><div style="min-width: {section.least_px}px">{content}</div></div></section>'
    )


def _figure(figure: go.Figure, name: str) -> str:
    height = f"{figure.layout.height}px"
    return figure.to_html(
        full_html=False, include_plotlyjs=False, div_id=name, config=CONFIG, default_width="100%", default_height=height
    )


def _table(table: Table) -> str:
    head = "".join(f"<th scope=col>{escape(column)}</th>" for column in table.columns)
    body = "\n".join(
        f"<tr><th scope=row>{escape(name.text)}</th>{''.join(map(_cell, cells))}</tr>" for name, *cells in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"


def _cell(cell: Cell) -> str:
    colour = f' style="color: {escape(cell.colour)}"' if cell.colour else ""
    return f"<td{colour}>{escape(cell.text)}</td>"
