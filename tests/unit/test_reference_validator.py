"""Any one field damaged in any way: the stream's validator says what a slow one in plain Python says."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

import contracts
from contracts import Field
from producer.faults import Rates
from producer.simulate import Simulation, simulate
from spark_jobs import domains
from tests.unit import reference_validator
from tests.unit.events import APPENDED_AT, appended

CONTRACT = contracts.load("ecommerce")
NAMES = [field.name for field in CONTRACT.fields]
SEED = 20_260_314
TOGETHER = 2_000
ODD: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    7,
    1.0,
    2.5,
    1e300,
    10**40,
    "",
    " ",
    "7",
    "null",
    "ä",
    "\n",
    [],
    {},
    [7],
    [{}],
)
TIMES = (
    "2026-03-14T15:09:26",
    "2026-03-14",
    "2026-02-30T15:09:26Z",
    "2026-03-14T24:00:00Z",
    "2026-03-14t15:09:26z",
    "2026-03-14 15:09:26.5Z",
    "2026-03-14T16:09:26+01:00",
    "2026-03-14T15:09:26.123456Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "1773500966",
)


def shop() -> list[dict[str, Any]]:
    """Valid events of every kind, which the broker takes at APPENDED_AT."""
    simulation = Simulation("ecommerce", SEED, APPENDED_AT - timedelta(minutes=60), 20.0, Rates())
    return [json.loads(record.value) for record in islice(simulate(simulation), 5_000) if record.value]


def odd(field: Field, rng: random.Random) -> Any:
    """A value that this field may, or may not, have."""
    if field.type == "timestamp" and rng.random() < 0.5:
        return rng.choice(TIMES)
    if field.type == "integer" and rng.random() < 0.5:
        edge = rng.choice((field.minimum, field.maximum))
        return rng.choice((edge - 1, edge, edge + 1, float(edge), edge + 0.5))
    if field.max_length and field.type == "string" and rng.random() < 0.5:
        return "x" * rng.choice((field.max_length - 1, field.max_length, field.max_length + 1, 10 * field.max_length))
    if field.max_length and field.type == "array" and rng.random() < 0.3:
        return [{}] * rng.choice((field.max_length, field.max_length + 1))
    return rng.choice(ODD)


def scratched(text: str, rng: random.Random) -> str:
    """A text with a character more, less, or another one."""
    at = rng.randrange(len(text) + 1)
    return text[: at - rng.randrange(2)] + rng.choice(("", "x", "-", "Z", "é", "\0")) + text[at:]


def damaged(event: dict[str, Any], rng: random.Random) -> bytes:
    """An event with any one of its fields, or of the fields of one of its items, damaged in any way."""
    objects = [(event, CONTRACT.fields)]
    items = next(field for field in CONTRACT.fields if field.name == "items")
    objects += [(item, items.items) for item in event.get("items", [])]
    which = 0 if rng.random() < 0.6 else rng.randrange(len(objects))
    given, fields = objects[which]
    field = rng.choice(fields)
    kind = rng.choice(("absent", "odd", "odd", "scratched", "doubled"))
    value = given.get(field.name)
    if kind == "absent":
        given.pop(field.name, None)
    elif kind == "scratched" and isinstance(value, str):
        given[field.name] = scratched(value, rng)
    elif kind == "doubled":
        again = {field.name: value if rng.random() < 0.3 else odd(field, rng)}
        first, second = rng.sample((given, again), 2)
        return text_of(event).replace(text_of(given), joined(text_of(first), text_of(second)), 1)
    else:
        given[field.name] = odd(field, rng)
    return text_of(event)


def text_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def joined(first: bytes, second: bytes) -> bytes:
    """One object of the fields of both, those of the second behind."""
    return first[:-1] + b", " + second[1:]


@pytest.mark.parametrize("cases", [2_000, pytest.param(200_000, marks=pytest.mark.long)])
def test_both_validators_agree(cases: int) -> None:
    rng = random.Random(SEED)
    validator = domains.validator("ecommerce", NAMES)
    events = shop()
    kinds = set()
    for _ in range(0, cases, TOGETHER):
        records = [damaged(json.loads(json.dumps(rng.choice(events))), rng) for _ in range(TOGETHER)]
        for record, verdict in zip(records, validator.validate(records, appended(TOGETHER)).to_dicts(), strict=True):
            reject, event, failed = reference_validator.validate(record, APPENDED_AT)
            assert verdict["reject"] == reject, (record, verdict["reject_detail"])
            kinds.add(reject)
            if reject is None:
                # No items are an empty list in the stream.
                assert {name: verdict[name] for name in NAMES} == event | {"items": event["items"] or []}, record
                assert verdict["failed"] == failed, record
    assert kinds >= {None, "schema", "too_late", "from_the_future", "expectation:value_is_sum_of_items"}
