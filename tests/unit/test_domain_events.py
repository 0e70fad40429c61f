"""What every domain simulates, and its good event, are what its contract says."""

from __future__ import annotations

import json

import pytest

import contracts
from producer.records import EVENT, GOOD
from settings import DOMAINS
from spark_jobs import domains
from tests.unit.events import appended, encoded, good_event, simulated, validated

pytestmark = pytest.mark.parametrize("domain", DOMAINS)


def test_the_good_event_is_good(domain: str) -> None:
    [verdict] = domains.validator(domain).validate([encoded(good_event(domain=domain))], appended(1)).to_dicts()
    assert (verdict["reject_detail"], verdict["failed"]) == (None, [])


def test_there_are_events_of_every_name(domain: str) -> None:
    """Of those that are rare, or none in a simulation this short, the cases have some."""
    [names] = (set(field.allowed) for field in contracts.load(domain).fields if field.name == "event_name")
    assert set(validated(domain)["event_name"].drop_nulls()) == names


def test_events_have_fields_of_the_contract_alone(domain: str) -> None:
    fields = {field.name: {item.name for item in field.items} for field in contracts.load(domain).fields}
    for event in (json.loads(record.value) for record in simulated(domain) if record.kind in GOOD):
        assert event.keys() <= fields.keys()
        for name, items in fields.items():
            assert not items or set().union(*event.get(name, [])) <= items, name


def test_the_key_is_what_events_are_partitioned_by(domain: str) -> None:
    by = contracts.load(domain).partitioned_by
    for record in (record for record in simulated(domain) if record.kind == EVENT):
        assert record.key == json.loads(record.value)[by].encode()
