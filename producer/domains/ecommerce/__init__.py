"""A simulated shop: what shoppers do during their visits, and what can go wrong with the events of it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from producer.domains.ecommerce.countries import COUNTRIES
from producer.domains.ecommerce.payment_outage import through_outage
from producer.domains.ecommerce.visits import steps
from producer.faults import Damage, changed
from producer.incident import Kind
from producer.records import Course, Event, encode, happened

RELOADED = ("purchase",)

INCIDENT = Kind(
    option="country",
    choices=tuple(country.code for country in COUNTRIES),
    default=max(COUNTRIES, key=lambda country: country.share).code,
    effect="payments from {} fail",
)


def events(course: Course) -> Iterator[Event]:
    """What shoppers do from the start on, in order; endless. An incident strikes a country's payments."""
    return through_outage(_undisturbed(course), course.strikes)


def _undisturbed(course: Course) -> Iterator[Event]:
    since_midnight_ms = course.start_ms - course.day_ms
    for at_ms, visit, step in steps(course.rng, course.day_ms, course.rate):
        fields = visit.fields | step.fields
        yield happened(course.rng, since_midnight_ms + at_ms, visit.key, step.event_name, fields)


def _with_first_item(**changes: Any) -> Damage:
    return lambda fields, _rng: encode(fields | {"items": [fields["items"][0] | changes, *fields["items"][1:]]})


def _value_mismatch(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode(fields | {"value": fields["value"] + 1})


def _without_session(fields: dict[str, Any], _rng: random.Random) -> bytes:
    return encode({name: value for name, value in fields.items() if name != "session_id"})


DAMAGE: dict[str, Damage] = {
    "injected_device": changed(device="mobile'); DROP TABLE sales_by_minute; --"),
    "huge_value": changed(value=msgspec.Raw(b"1" + b"0" * 40)),
    "without_session": _without_session,
}
DAMAGE_OF_ITEMS = DAMAGE | {"negative_price": _with_first_item(price=-100), "value_mismatch": _value_mismatch}


def damage(fields: Mapping[str, Any]) -> Mapping[str, Damage]:
    return DAMAGE_OF_ITEMS if "items" in fields else DAMAGE
