"""The validator: what is a good event, and why another is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import contracts
from contracts import ContractError, Expectation
from spark_jobs import domains
from spark_jobs.validation import MAX_DETAIL, MAX_RECORD_BYTES, ContractViolation, Validator
from tests.unit.events import APPENDED_AT, appended, encoded, good_event

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases" / "validation.yaml").read_text())
CONTRACT = contracts.load("ecommerce")
VALIDATOR = domains.validator("ecommerce", [field.name for field in CONTRACT.fields])


def record(case: dict, at: datetime = APPENDED_AT) -> bytes | None:
    """The record of a case, for a broker that takes it `at` this time."""
    if "bytes" in case:
        return bytes.fromhex(case["bytes"])
    if "value" in case:
        return None if case["value"] is None else (case["value"] * case.get("repeat", 1)).encode()
    event = good_event(case.get("minutes", 0), case.get("item"), at, **case.get("set", {}))
    text = encoded(event | dict.fromkeys(case.get("null", ())))
    return b", ".join([text[:-1], encoded(case["again"])[1:]]) if "again" in case else text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case: dict) -> None:
    verdict = VALIDATOR.validate([record(case)], appended(1)).row(0, named=True)
    assert verdict["reject"] == case.get("reject")
    if case.get("reject"):
        assert verdict["reject_detail"]
        assert all(verdict[field.name] is None for field in CONTRACT.fields)
    else:
        assert verdict["failed"] == case.get("failed", [])
        assert all(verdict[name] is None for name in left_out(verdict) if "." not in name)


def left_out(verdict: dict) -> list[str]:
    return [name.removeprefix("field:") for name in verdict["failed"] if name.startswith("field:")]


def test_an_integer_with_a_point_is_that_integer() -> None:
    [verdict] = VALIDATOR.validate([encoded(good_event(item={"price": 500.0}, value=1000.0))], appended(1)).to_dicts()
    assert (verdict["value"], verdict["items"][0]["price"]) == (1000, 500)


def test_a_reason_in_words_is_bounded() -> None:
    """The value that is wrong may be as long as a record."""
    [detail] = VALIDATOR.validate([encoded(good_event(device="x" * 200_000))], appended(1))["reject_detail"]
    assert len(detail) == MAX_DETAIL


def test_the_length_that_a_record_had_counts() -> None:
    """A record that was cut can look like an event."""
    event = encoded(good_event())
    [verdict] = VALIDATOR.validate([event], appended(1), [12 << 20]).to_dicts()
    assert (verdict["reject"], verdict["reject_detail"][:14]) == ("too_large", "12582912 bytes")


def test_records_are_validated_together_as_they_are_alone() -> None:
    records = [record(case) for case in CASES]
    together = VALIDATOR.validate(records, appended(len(records)))
    alone = pl.concat(VALIDATOR.validate([one], appended(1)) for one in records)
    assert together.equals(alone)
    assert dict(together.schema) == VALIDATOR.schema


def test_no_record_at_all() -> None:
    assert dict(VALIDATOR.validate([], appended(0)).schema) == VALIDATOR.schema


def test_too_large() -> None:
    fits = encoded(good_event())
    padded = fits[:-1] + b" " * (MAX_RECORD_BYTES - len(fits)) + b"}"
    verdicts = VALIDATOR.validate([padded, padded + b" "], appended(2))
    assert verdicts["reject"].to_list() == [None, "too_large"]


def test_columns_are_those_asked_for_and_the_verdict_is_the_same() -> None:
    records = [record(case) for case in CASES]
    few = domains.validator("ecommerce", ["event_id"]).validate(records, appended(len(records)))
    assert few.equals(VALIDATOR.validate(records, appended(len(records))).select(few.columns))


def test_ids_in_items_are_looked_at_even_where_nothing_asks_for_the_items() -> None:
    validator = Validator(replace(CONTRACT, expectations=()), ["event_id"])
    [bad] = [record(case) for case in CASES if case["name"] == "an item whose id is no UUID"]
    assert validator.validate([bad], appended(1))["reject"].to_list() == ["schema"]


@given(st.binary(max_size=300))
def test_any_bytes_get_a_verdict(value: bytes) -> None:
    assert VALIDATOR.validate([value], appended(1))["reject"][0] is not None


@given(st.data())
def test_a_damaged_event_gets_a_verdict(data: st.DataObject) -> None:
    event = bytearray(encoded(good_event()))
    for _ in range(data.draw(st.integers(1, 8))):
        event[data.draw(st.integers(0, len(event) - 1))] = data.draw(st.integers(0, 255))
    [verdict] = VALIDATOR.validate([bytes(event)], appended(1)).to_dicts()
    values = [verdict[field.name] for field in CONTRACT.fields]
    required = [verdict[field.name] for field in CONTRACT.fields if field.required]
    if verdict["reject"] is None:
        assert None not in required
    else:
        assert verdict["reject_detail"]
        assert values == [None] * len(values)


def with_expectation(sql: str, action: str) -> Validator:
    expectation = Expectation("extra", sql, action, "An extra one")
    module = domains.load("ecommerce")
    changed = replace(CONTRACT, expectations=(*CONTRACT.expectations, expectation))
    return Validator(changed, module.COLUMNS, module.DERIVED)


def test_fail_stops_and_names_the_record() -> None:
    validator = with_expectation("country <> 'FR'", "fail")
    records = [encoded(good_event()), b"{", encoded(good_event(country="FR"))]
    with pytest.raises(ContractViolation, match=r"extra .*country <> 'FR'.*fail") as violation:
        validator.validate(records, appended(3))
    assert violation.value.row == 2


OF_REGIONS = [encoded(good_event(region=region)) for region in ("Bavaria", "Saxony", None)]


def test_drop_rejects_what_is_not_true() -> None:
    validator = with_expectation("region = 'Bavaria'", "drop")
    assert validator.validate(OF_REGIONS, appended(3))["reject"].to_list() == [None, *["expectation:extra"] * 2]


def test_keep_counts_what_is_false() -> None:
    validator = with_expectation("region = 'Bavaria'", "keep")
    assert validator.validate(OF_REGIONS, appended(3))["failed"].to_list() == [[], ["extra"], []]


@pytest.mark.parametrize("sql", ["no_such_field = 1", "value", "value >", "value = 'text' AND"])
def test_an_expectation_that_can_not_be_evaluated_is_refused(sql: str) -> None:
    with pytest.raises(ContractError, match="extra"):
        with_expectation(sql, "drop")
