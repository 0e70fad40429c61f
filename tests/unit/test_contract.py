"""Contracts: read from the standard's form, refused where the stack can't work with them."""

from __future__ import annotations

from datetime import timedelta

import pytest

import contracts
from contracts.contract import FOLDER, parse
from settings import DOMAINS

TEXT = (FOLDER / "ecommerce.yaml").read_text()


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_has_a_contract_that_describes_every_field(domain: str) -> None:
    contract = contracts.load(domain)
    fields = [*contract.fields, *(item for field in contract.fields for item in field.items)]
    assert all(field.description for field in fields)
    assert all(field.unit for field in fields if field.type == "integer" and field.name not in UNITLESS)
    assert all(expectation.description for expectation in contract.expectations)


UNITLESS = ("schema_version", "quantity")


def test_the_shops_contract() -> None:
    contract = contracts.load("ecommerce")
    fields = {field.name: field for field in contract.fields}
    assert fields["event_id"].type == "uuid"
    assert fields["value"].unit == "minor units of currency"
    assert "payment_failed" in fields["event_name"].allowed
    assert {item.name for item in fields["items"].items} >= {"item_id", "price", "quantity", "reporting_value"}
    assert contract.max_late == timedelta(hours=2)
    dimensions = {dimension.name: dimension for dimension in contract.dimensions}
    assert dimensions["source"] == contracts.Dimension("source", fields["utm_source"], absent="(direct)")
    assert (dimensions["category"].array, dimensions["category"].field.name) == ("items", "item_category")


def test_what_carries_money_or_identity_is_critical() -> None:
    fields = {field.name: field for field in contracts.load("ecommerce").fields}
    lines = {item.name: item for item in fields["items"].items}
    optional = {name for name, field in fields.items() if field.critical and not field.required}
    assert optional == {"value", "reporting_value", "transaction_id", "tax", "shipping", "items"}
    assert {name for name, line in lines.items() if line.critical and not line.required} == {"discount"}


def test_a_contract_that_marks_nothing_is_critical_in_everything() -> None:
    unmarked = parse(TEXT.replace("criticalDataElement: true", "required: false"), "test.yaml")
    assert all(field.critical for field in unmarked.fields)


def test_a_domain_without_one() -> None:
    with pytest.raises(contracts.ContractError, match=r"no contract for 'nope'; there are: .*ecommerce"):
        contracts.load("nope")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("logicalType: timestamp", "logicalType: moment", "moment"),
        ("value: drop}", "value: ignore}", "keep, drop, fail"),
        ("maxLateMinutes, value: 120", "maxLateMinutes, value: soon", "maxLateMinutes"),
        ("field: utm_source", "field: source", "the dimension .*'source'.* field that holds text"),
        ("field: items.item_category", "field: items.quantity", "field that holds text"),
        ("field: reporting_value, events", "field: tax_id, events", "the amount .*'tax_id'.* critical integer field"),
        ("events: [purchase, refund]", "events: [purchase, sale]", "the amount .* names of events"),
        ("lookup: order", "lookup: session", "the amount .* no lookup or one with a table of its own"),
        ("lookup: order", "lookup: parcel", "the amount .* no lookup or one with a table of its own"),
        ("field: session_id, spans", "field: os, spans", "the lookup .*'os'.* critical field of text or UUIDs"),
        ("name: value_is_sum_of_items", "name: order_has_items", "share a name"),
        ("kind: DataContract", "kind: [", "Open Data Contract"),
        ("name: sent_at, logicalType: timestamp, required: true,", "name: sent_at, logicalType: timestamp,", "sent_at"),
        ("name: schema_version, logicalType: integer", "name: schema_version, logicalType: string", "schema_version"),
        ("required: true, primaryKey: true", "required: true", "one field must have primaryKey"),
        (
            "required: true, partitioned: true",
            "required: true, partitioned: true, primaryKey: true",
            "one field must have primaryKey",
        ),
    ],
)
def test_what_it_refuses(old: str, new: str, message: str) -> None:
    with pytest.raises(contracts.ContractError, match=message):
        parse(TEXT.replace(old, new, 1), "test.yaml")
