"""What is on the page of raw events; that it is on a running Superset, for whom, is tests/integration's."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.native.services import SUPERSET_PYTHON
from tests.unit.events import APPENDED_AT, good_event

ANSWERS = Path(__file__).with_name("raw_events_answers.py")
MINUTE = "/raw-events/ecommerce/?minute=2026-03-14+15:09"
SCRIPT = "<script>alert('x')</script>"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str

    @property
    def rows(self) -> list[list[str]]:
        """The table's rows, without the ones of the JSON."""
        rows = re.findall(r"<tr>(.*?)</tr>", self.text, re.DOTALL)
        cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows if "<details>" not in row]
        return [[unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells]


def event(seconds: float = 0, passed_over: str = "", **changes: Any) -> tuple[str, str, str]:
    """An event as Cassandra has it, `seconds` after APPENDED_AT."""
    return (APPENDED_AT + timedelta(seconds=seconds)).isoformat(), json.dumps(good_event(**changes)), passed_over


def ask(*addresses: str, events: list[tuple[str, str, str]] = [], outage: str = "") -> list[Answer]:  # noqa: B006
    done = subprocess.run(
        [SUPERSET_PYTHON, ANSWERS], input=json.dumps([events, outage, addresses]), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Answer(*answer) for answer in json.loads(done.stdout)]


def test_the_table() -> None:
    events = [
        event(0),
        event(1, event_name="purchase", currency="JPY", value=1234500, shipping=800, utm_source=None,
              transaction_id="550e8400-e29b-41d4-a716-446655440000"),
        event(0.25, items=None, value=None),
    ]  # fmt: skip
    [answer] = ask(MINUTE, events=events)
    assert answer.status == 200
    assert answer.rows == [
        ["occurred_at", "event_name", "country", "device", "source", "category", "items", "value", "shipping",
         "session", "order", "JSON"],
        ["2026-03-14 15:09:27.535", "purchase", "DE", "mobile", "(direct)", "Home", "1", "1,234,500 JPY", "800 JPY",
         "0b3f4e6a", "550e8400", ""],
        ["2026-03-14 15:09:26.785", "view_item", "DE", "mobile", "google", "(none)", "", "", "", "0b3f4e6a", "", ""],
        ["2026-03-14 15:09:26.535", "view_item", "DE", "mobile", "google", "Home", "1", "10.00 EUR", "", "0b3f4e6a",
         "", ""],
    ]  # fmt: skip
    assert 'href="/raw-events/ecommerce/?order=550e8400-e29b-41d4-a716-446655440000"' in answer.text
    assert 'href="/raw-events/ecommerce/?session=0b3f4e6a-0000-4000-8000-000000000002"' in answer.text
    assert [unescape(pre) for pre in re.findall(r"<pre>(.*?)</pre>", answer.text)] == [
        events[number][1] for number in (1, 2, 0)
    ]


def test_of_many_events_the_newest_are_shown_and_all_are_counted_and_downloaded() -> None:
    events = [event(seconds % 1201 / 100) for seconds in range(0, 1201 * 7, 7)]
    shown, downloaded = ask(MINUTE, MINUTE.replace("/?", "/events.jsonl?"), events=events)
    assert "<b>1,201 events</b>" in shown.text
    assert "The newest 500 are shown." in shown.text
    times = [row[0] for row in shown.rows[1:]]
    assert times == [
        (APPENDED_AT + timedelta(seconds=number / 100)).isoformat(" ", "milliseconds").removesuffix("+00:00")
        for number in range(1200, 700, -1)
    ]
    assert downloaded.headers["Content-Disposition"] == "attachment; filename=events.jsonl"
    assert downloaded.text == "".join(f"{payload}\n" for _, payload, _ in events)


def test_what_does_not_count_is_shown_as_such_and_not_downloaded() -> None:
    events = [event(), event(1, "conflict", country="FR"), event(2, "repeat", country="IT")]
    shown, downloaded = ask(MINUTE, MINUTE.replace("/?", "/events.jsonl?"), events=events)
    assert "<b>1 event</b>" in shown.text
    assert "2 more do not count" in shown.text
    column = shown.rows[0].index("does_not_count")
    assert [row[column] for row in shown.rows[1:]] == ["repeat", "conflict", ""]
    assert downloaded.text == events[0][1] + "\n"


def test_a_filter_is_applied_and_stays_in_the_form_and_the_download() -> None:
    events = [event(), event(event_name="purchase", country="FR")]
    address = MINUTE + "&event_name=purchase&country=&device="
    shown, downloaded = ask(address, address.replace("/?", "/events.jsonl?"), events=events)
    assert "<b>1 event</b>" in shown.text
    assert "<option selected>purchase</option>" in shown.text
    assert 'value="2026-03-14 15:09"' in shown.text
    assert re.search(r"/raw-events/ecommerce/events.jsonl\?minute=\S+event_name=purchase", shown.text)
    assert downloaded.text == events[1][1] + "\n"


@pytest.mark.parametrize("field", ["utm_source", "item_category", "<script>"])
def test_no_value_is_taken_for_html(field: str) -> None:
    changes = {"item": {field: SCRIPT}} if field == "item_category" else {field: SCRIPT}
    [answer] = ask(MINUTE, events=[event(**changes)])
    assert answer.status == 200
    assert "<script" not in answer.text
    assert "&lt;script" in answer.text


def test_nothing_that_is_asked_is_taken_for_html() -> None:
    addresses = [f"{MINUTE}&category={SCRIPT}", f"/raw-events/?minute={SCRIPT}", f"/raw-events/?{SCRIPT}=1"]
    for answer in ask(*addresses):
        assert "<script" not in answer.text
        assert "&lt;script" in answer.text


def test_half_a_character_is_shown_as_a_question_mark() -> None:
    [answer] = ask(MINUTE, events=[event(utm_source="\ud800")])
    assert answer.rows[1][4] == "?"


def test_without_a_question_there_is_the_form_alone() -> None:
    [empty, blank] = ask("/raw-events/", "/raw-events/?minute=&country=")
    for answer in (empty, blank):
        assert answer.status == 200
        assert "<form" in answer.text
        assert 'role="alert"' not in answer.text
        assert "<table" not in answer.text


def test_a_bad_question_is_answered_with_what_to_write() -> None:
    addresses = ["?minute=soon", "?country=DE", "events.jsonl", f"?minute={MINUTE}&order=1", "?minute=1&minute=2"]
    messages = ["a time such as", "Name one of", "Name one of", "not minute and order", "Name minute once"]
    for answer, message in zip(
        ask(*(f"/raw-events/ecommerce/{address}" for address in addresses)), messages, strict=True
    ):
        assert answer.status == 400
        assert message in re.search(r'role="alert">(.*?)</div>', answer.text)[1]
        assert "<form" in answer.text


def test_an_outage_is_said() -> None:
    for answer in ask(MINUTE, MINUTE.replace("/?", "/events.jsonl?"), outage="Cassandra: nobody there"):
        assert answer.status == 503
        assert "try again in a while. Cassandra: nobody there" in answer.text


def test_nothing_found() -> None:
    [answer] = ask(MINUTE)
    assert answer.status == 200
    assert "<b>0 events</b>" in answer.text
    assert "<table" not in answer.text
