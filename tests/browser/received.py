"""What each chart of a page was last sent: what charts draw on a canvas can't be read off the page."""

from __future__ import annotations

import json
from collections.abc import Iterable
from numbers import Number
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Error, Page, Response

# Where charts get their data; the map still in the old way.
QUERIES = ("/api/v1/chart/data", "/superset/explore_json/")
NAMES = "Object.fromEntries([...document.querySelectorAll('[data-test-chart-name]')].map(chart =>\
 [chart.dataset.testChartId, chart.dataset.testChartName]))"

# Asks what `Received.questions` tells again, all at once, and says how long it took, in ms.
ASK_AT_ONCE = """async (asked) => {
  const began = performance.now();
  await Promise.all(asked.map(async ([url, headers, body]) => {
    const answer = await fetch(url, {method: 'POST', headers, body});
    if (!answer.ok) throw new Error(await answer.text());
    await answer.json();
  }));
  return performance.now() - began;
}"""

# Asks such a question again, and returns the answer: the results of its queries, or text where there are none.
ASK = """async ([url, headers, body]) => {
  const answer = await fetch(url, {method: 'POST', headers, body});
  return answer.ok ? (await answer.json()).result : await answer.text();
}"""


def fresh(body: str) -> str:
    """A question that is not answered from the cache."""
    return json.dumps({**json.loads(body), "force": True})


class Received:
    """Begins to listen when it is made."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.answers: dict[str, list[dict]] = {}  # by the chart's id
        self.asked: dict[str, tuple[str, dict[str, str], str]] = {}  # address, headers, body
        self.count = 0  # answers
        page.on("response", self._keep)

    def _keep(self, answer: Response) -> None:
        address = urlsplit(answer.url)
        if address.path not in QUERIES or not answer.ok:
            return
        about = json.loads(parse_qs(address.query).get("form_data", ["{}"])[0])
        if "slice_id" not in about:  # a filter that asks for its values
            return
        try:  # at once: the browser does not keep it for long
            body = answer.json()
        except Error:  # the page has gone elsewhere, or asks anew
            return
        self.answers[str(about["slice_id"])] = body.get("result", [body])
        asked = answer.request
        self.asked[str(about["slice_id"])] = (asked.url, asked.headers, asked.post_data)
        self.count += 1

    def questions(self) -> dict[str, tuple[str, dict[str, str], str]]:
        """Chart's name -> address, headers and body of what it asked last; without the map, which has its own way."""
        names = self.page.evaluate(NAMES)
        return {
            names[chart]: (url, {name: headers[name] for name in ("content-type", "x-csrftoken")}, body)
            for chart, (url, headers, body) in self.asked.items()
            if chart in names and "json" in headers["content-type"]
        }

    def all_of(self, names: Iterable[str]) -> bool:
        """Whether each chart of these names was sent something: a page may show it before we have been told."""
        return set(names) <= self._by_name().keys()

    def rows(self) -> dict[str, list[dict]]:
        """Chart's name -> rows of all its queries, none of those that found nothing."""
        return {
            name: [row for query in queries for row in query["data"] or ()] for name, queries in self._by_name().items()
        }

    def selects(self) -> dict[str, list[str]]:
        """Chart's name -> its queries as MySQL was asked them; one that compares with earlier has several."""
        return {
            name: [one for query in queries for one in query["query"].split(";\n\n") if one]
            for name, queries in self._by_name().items()
        }

    def _by_name(self) -> dict[str, list[dict]]:
        names = self.page.evaluate(NAMES)
        return {names[chart]: queries for chart, queries in self.answers.items() if chart in names}


def total(rows: list[dict], figure: str, of_last: bool = False) -> float:
    """The sum of a column over all rows or the last one, `*` of all their numbers but the first column, the time."""
    rows = rows[-1:] if of_last else rows
    if figure == "*":
        return sum(value for row in rows for value in list(row.values())[1:] if isinstance(value, Number))
    return float(sum(row.get(figure) or 0 for row in rows))
