"""What is in a report's page: figures as plotly draws them, and tables."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any, NamedTuple


class Figure(NamedTuple):
    traces: list[dict[str, Any]]
    layout: dict[str, Any]

    def trace(self, name: str) -> dict[str, Any]:
        [found] = [trace for trace in self.traces if trace.get("name") == name]
        return found


def figures(page: str) -> list[Figure]:
    """In the order in which they stand there."""
    read = json.JSONDecoder().raw_decode
    found = []
    for call in re.finditer(r'Plotly\.newPlot\(\s*"figure-\d+",\s*', page):
        traces, end = read(page, call.end())
        layout, _ = read(page, re.compile(r",\s*").match(page, end).end())
        found.append(Figure(traces, layout))
    return found


def table(page: str) -> list[list[str]]:
    """The rows of the page's only table, its head first."""
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [[unescape(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows]
