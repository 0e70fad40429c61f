"""What is asked of the raw events, and which of them are the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

import contracts
from audit.raw_events import BadQuestion, Event, matching, question
from tests.unit.events import APPENDED_AT, good_event

CONTRACT = contracts.load("ecommerce")
ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
MINUTE = datetime(2026, 11, 25, 7, 40, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25T07:40",
        "2026-11-25 07:40:00",  # as MySQL prints a DATETIME
        "2026-11-25 07:40:59.999",
        "2026-11-25T07:40:00Z",
        "2026-11-25T08:40+01:00",
        " 2026-11-25T07:40 ",
    ],
)
def test_a_minute_in_all_its_forms(text: str) -> None:
    asked = question({"minute": text}, CONTRACT)
    assert (asked.key, asked.value, asked.where) == ("minute", MINUTE, {})


def test_a_minute_can_be_so_many_ago() -> None:
    before = datetime.now(UTC)
    value = question({"minute": "-2"}, CONTRACT).value
    assert before - timedelta(minutes=3) < value <= datetime.now(UTC) - timedelta(minutes=2)
    assert value.second == value.microsecond == 0


@pytest.mark.parametrize("key", ["session", "order"])
@pytest.mark.parametrize("text", [ID, ID.upper(), ID.replace("-", "")])
def test_an_id_in_all_its_forms(key: str, text: str) -> None:
    asked = question({key: text, "minute": "", "country": " "}, CONTRACT)
    assert (asked.key, asked.value, asked.where) == (key, UUID(ID), {})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "Name one of minute, session, order, not none"),
        ({"country": "DE"}, "not none"),
        ({"minute": "2026-11-25T07:40", "order": ID}, "not minute and order"),
        ({"minute": "2026-13-25T07:40"}, "a time such as 2026-11-22T11:20, in UTC"),
        ({"minute": "0001-01-01T00:00+14:00"}, "a time such as"),
        ({"session": "7c9e"}, "The session can't be '7c9e'"),
        ({"order": ID, "contry": "DE"}, "There is no contry; there are: minute, session, order, event_name, country"),
        ({"order": ID, "event_name": "buy"}, "No event_name is 'buy'; there are: .*purchase"),
        ({"order": ID, "country": "Germany"}, "ISO 3166-1 alpha-2"),
    ],
)
def test_what_is_no_question(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(BadQuestion, match=message):
        question(parameters, CONTRACT)


def event(**changes: object) -> Event:
    return Event(APPENDED_AT, json.dumps(good_event(**changes)))


LAMP = good_event()["items"][0]
BOOKS = [LAMP | {"item_category": "Books"}, LAMP, LAMP | {"item_category": "Books"}]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"event_name": "view_item"}, [0, 2, 3, 4, 5]),
        ({"country": "FR"}, [2]),
        ({"country": "DE", "device": "mobile", "event_name": "purchase"}, [1]),
        ({"source": "google"}, [0, 1, 3]),
        ({"source": "(direct)"}, [2, 4, 5]),  # a source that was left out is none
        ({"category": "Home"}, [0, 1, 2, 4, 5]),  # in all of an event's categories, whichever leads
        ({"category": "Books"}, [1]),
        ({"category": "(none)"}, [3]),
        ({"category": "%"}, []),
    ],
)
def test_which_events_have_the_values(where: dict[str, str], found: list[int]) -> None:
    events = [
        event(),
        event(event_name="purchase", items=BOOKS),
        event(country="FR", utm_source=None),
        event(items=[]),
        event(utm_source="x" * 33),
        event(utm_source=["google"]),
    ]
    asked = question({"order": ID, **where}, CONTRACT)
    assert list(matching(events, asked.where)) == [events[number] for number in found]


def test_an_event_that_only_the_validator_can_read_is_kept_where_all_are_asked_for() -> None:
    huge = Event(APPENDED_AT, json.dumps(good_event())[:-1] + f', "more": {"9" * 5000}}}')
    assert list(matching([huge], {})) == [huge]
    assert list(matching([huge], question({"order": ID, "country": "DE"}, CONTRACT).where)) == []
