"""The raw events behind a number: those of a minute, or of what else the contract has them found by, out of Cassandra.

`make events` and Superset's page of raw events ask the same questions in the same words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from contracts import Contract, Dimension, Field, Lookup
from settings import Settings
from stores import cassandra, mysql

MINUTE, A_MINUTE = "minute", timedelta(minutes=1)
Key = UUID | str
ROWS_PER_PAGE = 1000  # so that the busiest minute never lies in memory as a whole


class BadQuestion(ValueError):  # noqa: N818 - it says what happened
    """What is asked for can't be understood; the message says what to write."""


class UnknownKey(LookupError):  # noqa: N818 - it says what happened
    """MySQL does not know of it (any more), so that there is no telling in which minutes it is."""


class Event(NamedTuple):
    """`occurred_at` in UTC, to the millisecond; `payload` as received; `passed_over` is why it does not count, a
    `conflict` or a `repeat` of another one, else empty."""

    occurred_at: datetime
    payload: str
    passed_over: str = ""


@dataclass(frozen=True)
class Question:
    """Which events: those of `value`, which is a minute (UTC) where `key` is MINUTE, else what `lookup` goes by.

    Of these only such as have, of each dimension, the value in `where`.
    """

    key: str
    value: Any
    where: Mapping[Dimension, str]
    lookup: Lookup | None = None


def _minute(text: str) -> datetime:
    if re.fullmatch(r"-\d{1,6}", text):
        time = datetime.now(UTC) + int(text) * A_MINUTE
    else:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time.replace(second=0, microsecond=0)


def keys(contract: Contract) -> dict[str, tuple[Callable[[str], Any], str]]:
    """What events are found by: how it is read, and what it is."""
    kinds = {"uuid": (UUID, "which is a UUID"), "string": (str, "as it stands there")}
    lookups = {lookup.name: (kinds[lookup.field.type], lookup.field.name) for lookup in contract.lookups}
    return {
        MINUTE: (_minute, "a time such as 2026-11-22T11:20, in UTC where it names no zone, or -2: two minutes ago"),
        **{name: (read, f"a {field}, {what}") for name, ((read, what), field) in lookups.items()},
    }


def question(parameters: Mapping[str, str], contract: Contract) -> Question:
    """The question that is put by one of `keys` and any of the contract's dimensions; empty ones don't count.

    Raises BadQuestion.
    """
    there_are = keys(contract)
    given = {name: text.strip() for name, text in parameters.items() if text.strip()}
    dimensions = {dimension.name: dimension for dimension in contract.dimensions}
    if unknown := sorted(given.keys() - there_are.keys() - dimensions.keys()):
        raise BadQuestion(f"There is no {', '.join(unknown)}; there are: {', '.join((*there_are, *dimensions))}.")
    named = [key for key in there_are if key in given]
    if len(named) != 1:
        raise BadQuestion(f"Name one of {', '.join(there_are)}, not {' and '.join(named) or 'none'}.")
    [key] = named
    read, meaning = there_are[key]
    try:
        value = read(given[key])
    except (ValueError, OverflowError):
        raise BadQuestion(f"The {key} can't be {given[key]!r}; it is {meaning}.") from None
    where = {dimension: given[name] for name, dimension in dimensions.items() if name in given}
    for dimension, wanted in where.items():
        _check(dimension, wanted)
    lookup = next((lookup for lookup in contract.lookups if lookup.name == key), None)
    return Question(key, value, where, lookup)


def _check(dimension: Dimension, wanted: str) -> None:
    field = dimension.field
    if wanted == dimension.absent:
        return
    if field.allowed and wanted not in field.allowed:
        raise BadQuestion(f"No {dimension.name} is {wanted!r}; there are: {', '.join(field.allowed)}.")
    if field.pattern and not re.search(field.pattern, wanted):
        raise BadQuestion(f"No {dimension.name} is {wanted!r}: it is {field.description}, {field.pattern}.")


def find(settings: Settings, question: Question) -> Iterator[Event]:
    """The events asked for, in the order of the function that reads them. Raises UnknownKey, Unavailable."""
    if question.lookup is None:
        return matching(of_minute(settings, question.value), question.where)
    return matching(of(settings, question.lookup, question.value), question.where)


def matching(events: Iterable[Event], where: Mapping[Dimension, str]) -> Iterator[Event]:
    """The events that have, of each dimension, the value in `where`."""
    for event in events:
        if not where:
            yield event
            continue
        fields = decoded(event.payload)
        if all(wanted in values(fields, dimension) for dimension, wanted in where.items()):
            yield event


def decoded(payload: str) -> dict[str, Any]:
    """The event's fields; none where Python can't read what the validator could, a number of 5000 digits, say."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return {}


def values(fields: Mapping[str, Any], dimension: Dimension) -> list[str]:
    """What an event has of a dimension: one value, or those of its array's objects, each once; where it was left out,
    because it is no text or too long, what stands for an event without any.

    A chart that counts an event once has it under the leading one of these; here it is found under each.
    """
    objects = (fields.get(dimension.array) or ()) if dimension.array else (fields,)
    given = (one.get(dimension.field.name) for one in objects)
    found = dict.fromkeys(value for value in given if isinstance(value, str) and fits(dimension.field, value))
    return list(found) or [dimension.absent or ""]


def fits(field: Field, text: str) -> bool:
    return field.max_length is None or len(text) <= field.max_length


def of_minute(settings: Settings, minute: datetime) -> Iterator[Event]:
    """The events that occurred in a minute (UTC), by session and time. Raises Unavailable."""
    keys = [(minute.replace(second=0, microsecond=0), number) for number in range(cassandra.SHARDS)]
    yield from _read(
        settings, "SELECT occurred_at, event_id, payload, payloads FROM events WHERE minute = ? AND shard = ?", keys
    )


def of(settings: Settings, lookup: Lookup, value: Key) -> Iterator[Event]:
    """The events that have a value in a lookup's field, by time. Raises UnknownKey, Unavailable."""
    columns, where = "occurred_at, event_id, payload, payloads", f"{lookup.field.name} = ?"
    if lookup.spans is None:
        return _read(settings, f"SELECT {columns} FROM {lookup.table} WHERE {where}", [(value,)])  # noqa: S608 - names
    raw = value.bytes if isinstance(value, UUID) else value.encode()
    return _read(
        settings,
        f"SELECT {columns} FROM {lookup.table} WHERE minute = ? AND shard = ? AND {where}",  # noqa: S608 - names
        [(minute, cassandra.shard(raw), value) for minute in minutes_of(settings, lookup, value, raw)],
    )


def minutes_of(settings: Settings, lookup: Lookup, value: Key, raw: bytes) -> list[datetime]:
    """The minutes (UTC) in which something was seen, by MySQL. Raises UnknownKey, Unavailable."""
    select = f"SELECT first_seen, last_seen FROM {lookup.spans} WHERE {lookup.field.name} = %s"  # noqa: S608 - names
    with mysql.connected(settings, "reader", settings.domain) as connection:
        found = mysql.query(connection, select, (raw,))
    if not found:
        raise UnknownKey(f"MySQL has no {lookup.name} {value}; it keeps {settings.mysql_retention_days} days.")
    first, last = (time.replace(second=0, microsecond=0, tzinfo=UTC) for time in found[0])
    return [first + number * A_MINUTE for number in range((last - first) // A_MINUTE + 1)]


def _read(settings: Settings, select: str, keys: list[tuple]) -> Iterator[Event]:
    with cassandra.connected(settings, "reader", settings.domain) as session, cassandra.outages():
        statement = session.prepare(select)
        statement.fetch_size = ROWS_PER_PAGE
        decisions = Decisions(session)
        for _, rows in execute_concurrent_with_args(session, statement, keys, results_generator=True):
            for row in rows:
                occurred_at = row.occurred_at.replace(tzinfo=UTC)
                decided = decisions.of(occurred_at.replace(second=0, microsecond=0))
                for digest, payload in cassandra.received(row):
                    yield Event(occurred_at, payload, decided.get((row.event_id, digest), ""))


class Decisions:
    """Why archived events do not count, read minute by minute."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.minutes: dict[datetime, dict[tuple[UUID, bytes | None], str]] = {}

    def of(self, minute: datetime) -> dict[tuple[UUID, bytes | None], str]:
        """Id and digest -> reason, of the events of a minute (UTC) that do not count. Raises Unavailable."""
        if minute not in self.minutes:
            rows = cassandra.passed_over(self.session, product([minute], range(cassandra.SHARDS)))
            self.minutes[minute] = {(row.event_id, row.digest): row.reason for row in rows}
        return self.minutes[minute]
