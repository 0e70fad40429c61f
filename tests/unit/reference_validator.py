"""A validator of the shop's events in plain Python, one event at a time: written from what contracts/ecommerce.yaml and
docs/ecommerce.md say, and sharing nothing with the one that the stream uses."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import yaml

from settings import ROOT

TEXT = yaml.safe_load((ROOT / "contracts" / "ecommerce.yaml").read_text())["schema"][0]
LATE, FUTURE = timedelta(minutes=120), timedelta(minutes=5)
LONGEST = 256 * 1024
TIME = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d{1,6})?)([Zz]|[+-]\d\d:\d\d)"
IDS = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
SOURCES = ("google", "facebook", "instagram", "newsletter", "affiliate", "bing")


class Rejected(Exception):  # noqa: N818 - it is a verdict
    """The event is rejected, with this kind of reason."""


def validate(record: bytes | None, appended_at: datetime) -> tuple[str | None, dict[str, Any], list[str]]:
    """(kind of reason or None, the fields, what the event fails and is counted for)."""
    try:
        event, failed = fields_of(decoded(record), TEXT["properties"], "")
        timely(event["occurred_at"], appended_at)
        strict(event)
    except Rejected as reason:
        return str(reason), {}, []
    return None, event, [*kept(event), *(f"field:{name}" for name in sorted(set(failed)))]


def decoded(record: bytes | None) -> dict[str, Any]:
    if not record:
        raise Rejected("empty")
    if len(record) > LONGEST:
        raise Rejected("too_large")
    try:
        event = json.loads(record.decode(), parse_float=Decimal, parse_int=Decimal, parse_constant=no_number)
    except UnicodeDecodeError:
        raise Rejected("not_utf8") from None
    except ValueError:
        raise Rejected("not_json") from None
    if not isinstance(event, dict):
        raise Rejected("schema")
    return event


def no_number(text: str) -> None:
    raise ValueError(text)


def fields_of(given: dict[str, Any], stated: list[dict], place: str) -> tuple[dict[str, Any], list[str]]:
    """The fields that the contract states, of an event or an item, and the names of those that are left out."""
    fields, left_out = {}, []
    for field in stated:
        name, required = field["name"], field.get("required", False)
        value = given.get(name)
        if value is None and not required:
            fields[name] = None
            continue
        try:
            fields[name], names = understood(value, field)
            left_out += names
        except (TypeError, ValueError):
            if required or field.get("criticalDataElement"):
                raise Rejected("schema") from None
            fields[name] = None
            left_out.append(place + name)
    return fields, left_out


def understood(value: Any, field: dict) -> tuple[Any, list[str]]:
    """A value as what it stands for. Raises TypeError or ValueError where it is not what the contract says."""
    kind, options = field["logicalType"], field.get("logicalTypeOptions", {})
    if kind == "array":
        fits(isinstance(value, list) and len(value) <= options["maxItems"])
        fits(all(isinstance(item, dict) for item in value))
        items = [fields_of(item, field["items"]["properties"], field["name"] + ".") for item in value]
        return [item for item, _ in items], [name for _, names in items for name in names]
    if kind == "integer":
        fits(isinstance(value, Decimal) and value == value.to_integral_value())
        fits(options["minimum"] <= value <= options["maximum"])
        return int(value), []
    fits(isinstance(value, str))
    if kind == "timestamp":
        day, time, offset = match.groups() if (match := re.fullmatch(TIME, value, re.ASCII)) else ("", "", "")
        return datetime.fromisoformat(f"{day}T{time}{offset.upper()}").astimezone(UTC), []
    if options.get("format") == "uuid":
        fits(re.fullmatch(IDS, value))
        return UUID(value).bytes, []
    fits("enum" not in field or value in [one["value"] for one in field["enum"]])
    fits(len(value) <= options.get("maxLength", len(value)))
    fits("pattern" not in options or re.fullmatch(options["pattern"].strip("^$"), value))
    return value, []


def fits(met: Any) -> None:
    if not met:
        raise ValueError


def timely(occurred_at: datetime, appended_at: datetime) -> None:
    if appended_at - occurred_at > LATE:
        raise Rejected("too_late")
    if occurred_at - appended_at > FUTURE:
        raise Rejected("from_the_future")


def strict(event: dict[str, Any]) -> None:
    """The rules that cost an event, in their order."""
    items = event["items"] or []
    order = event["event_name"] in ("purchase", "refund")
    if order and (event["transaction_id"] is None or event["value"] is None or not items):
        raise Rejected("expectation:order_has_items")
    if items and event["value"] != sum((item["price"] - (item["discount"] or 0)) * item["quantity"] for item in items):
        raise Rejected("expectation:value_is_sum_of_items")
    if items and event["reporting_value"] != sum(item["reporting_value"] for item in items):
        raise Rejected("expectation:reporting_value_is_sum_of_items")


def kept(event: dict[str, Any]) -> list[str]:
    """The rules that are only counted."""
    rules = {
        "sent_after_it_occurred": event["sent_at"] >= event["occurred_at"],
        "source_is_known": event["utm_source"] is None or event["utm_source"] in SOURCES,
    }
    return [name for name, met in rules.items() if not met]
