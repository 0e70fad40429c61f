"""Reads a domain's contract (Open Data Contract Standard v3) into the few facts that the stack works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from open_data_contract_standard.model import (
    CustomProperty,
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)
from pydantic import ValidationError

FOLDER = Path(__file__).resolve().parent
IDENTITY = "event_id"
"""The field by which an event is told from every other one."""
ENVELOPE = {
    IDENTITY: "uuid",
    "event_name": "string",
    "schema_version": "integer",
    "occurred_at": "timestamp",
    "sent_at": "timestamp",
}
"""What every domain's events have, and the pipeline goes by: required field -> type."""
TYPES = ("string", "uuid", "integer", "timestamp", "array")
ACTIONS = ("keep", "drop", "fail")


class ContractError(ValueError):
    """A contract says something that the stack can't work with; the message names the file and the place."""


@dataclass(frozen=True)
class Field:
    """A field of an event.

    - critical: a value that breaks the limits costs the event; else the field is left out. Required fields are
      critical, and all are where a contract marks none
    - items: the fields of an array's objects, empty for every other type
    """

    name: str
    type: str
    required: bool
    critical: bool
    description: str
    unit: str | None = None
    allowed: tuple[str, ...] = ()
    pattern: str | None = None
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    items: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Expectation:
    """A SQL boolean expression that every event should meet, and what happens to one that does not: with the action
    keep where it is FALSE, else where it is not TRUE."""

    name: str
    sql: str
    action: str
    description: str


@dataclass(frozen=True)
class Dimension:
    """What charts group and filter by, under the name that it has there.

    `array` is the field whose objects have it, None where the event itself has it; `absent` stands for an event
    without any, None where there is always one.
    """

    name: str
    field: Field
    array: str | None = None
    absent: str | None = None


@dataclass(frozen=True)
class BusinessKey:
    """What tells an event beside its id: of those that meet `where`, a SQL condition, one counts for each value of
    `field`."""

    field: str
    where: str


RAW = "events"
"""The raw table that every domain has: by minute and shard, with `partitioned_by` first in a row's key."""


@dataclass(frozen=True)
class Lookup:
    """What raw events are found by beside their minute, under the name that it has there.

    `table` is the raw table that has the events with the field; where it is RAW, `spans` is the table in MySQL that
    says from when (first_seen) to when (last_seen) there are events of one.
    """

    name: str
    field: Field
    table: str
    spans: str | None = None


@dataclass(frozen=True)
class Amount:
    """What `make verify` proves to the last unit beside the number of events: an integer field of some of them.

    `table` is a raw table that has every one of these events, found by the time at which it occurred; None without one.
    """

    field: str
    events: tuple[str, ...]
    table: str | None = None

    def of(self, event_name: str, fields: Mapping[str, Any]) -> int:
        """What an event is worth; 0 for those of other names."""
        return int(fields.get(self.field) or 0) if event_name in self.events else 0


@dataclass(frozen=True)
class Contract:
    """What a domain's events are.

    - version: what senders state as schema_version, at most
    - partitioned_by: the field whose values keep their events together, in order, in Kafka and in the archive
    - business_key: by which it is told as well, None where ids are enough
    - amount: what is added up exactly, None where there is nothing
    - lookups: what raw events are found by
    - max_late, max_future: how long before and after the broker's time an event may have occurred
    """

    domain: str
    version: int
    purpose: str
    partitioned_by: str
    business_key: BusinessKey | None
    amount: Amount | None
    fields: tuple[Field, ...]
    expectations: tuple[Expectation, ...]
    dimensions: tuple[Dimension, ...]
    lookups: tuple[Lookup, ...]
    max_late: timedelta
    max_future: timedelta

    @property
    def remembered(self) -> timedelta:
        """How long before the time up to which all is merged the minutes lie of which events may still come.

        The allowance for fast clocks of senders serves for the broker's against ours, too; a minute is one when it has
        passed whole.
        """
        return self.max_late + self.max_future + timedelta(minutes=1)


def _value(properties: list[CustomProperty] | None, name: str) -> Any:
    return next((p.value for p in properties or [] if p.property == name), None)


def _custom(properties: list[CustomProperty] | None, name: str) -> str | None:
    value = _value(properties, name)
    return None if value is None else str(value)


def _marked(properties: list[SchemaProperty] | None) -> bool:
    """Whether a field, or one of an array's objects, is marked as critical."""
    return any(
        prop.criticalDataElement is not None or (prop.items and _marked(prop.items.properties))
        for prop in properties or []
    )


def _field(prop: SchemaProperty, where: str, marked: bool) -> Field:
    options = prop.logicalTypeOptions or {}
    kind = "uuid" if options.get("format") == "uuid" else prop.logicalType
    if prop.name is None or kind not in TYPES:
        raise ContractError(f"{where}: {prop.name} has the type {kind}; there are: {', '.join(TYPES)}")
    if kind == "array" and (prop.items is None or not prop.items.properties):
        raise ContractError(f"{where}: the array {prop.name} must say what its objects hold (items.properties)")
    return Field(
        name=prop.name,
        type=kind,
        required=bool(prop.required),
        critical=bool(prop.required or prop.criticalDataElement or not marked),
        description=prop.description or "",
        unit=_custom(prop.customProperties, "unit"),
        allowed=tuple(str(v.value) for v in prop.enum or ()),
        pattern=options.get("pattern"),
        max_length=options.get("maxItems" if kind == "array" else "maxLength"),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        items=tuple(_field(p, f"{where}: {prop.name}", marked) for p in (prop.items.properties or []))
        if prop.items and kind == "array"
        else (),
    )


def _minutes(events: SchemaObject, name: str, where: str) -> timedelta:
    text = _custom(events.customProperties, name)
    if text is None or not text.isdigit():
        raise ContractError(f"{where}: the custom property {name} must be a whole number of minutes, not {text}")
    return timedelta(minutes=int(text))


def _dimensions(events: SchemaObject, fields: tuple[Field, ...], where: str) -> tuple[Dimension, ...]:
    places = {field.name: (field, None) for field in fields}
    places |= {f"{field.name}.{item.name}": (item, field.name) for field in fields for item in field.items}
    dimensions = []
    for stated in _value(events.customProperties, "dimensions") or ():
        match stated:
            case {"name": str(name), "field": str(place)} if place in places and places[place][0].type == "string":
                dimensions.append(Dimension(name, *places[place], stated.get("absent")))
            case _:
                raise ContractError(f"{where}: the dimension {stated} needs a name and a field that holds text")
    return tuple(dimensions)


def _business_key(events: SchemaObject, fields: tuple[Field, ...], where: str) -> BusinessKey | None:
    ids = {field.name for field in fields if field.type == "uuid" and field.critical}
    match _value(events.customProperties, "businessKey"):
        case None:
            return None
        case {"field": str(name), "where": str(condition)} if name in ids:
            return BusinessKey(name, condition)
        case stated:
            raise ContractError(f"{where}: the business key {stated} needs a critical field of UUIDs and a condition")


def _amount(events: SchemaObject, fields: tuple[Field, ...], lookups: tuple[Lookup, ...], where: str) -> Amount | None:
    tables = {lookup.name: lookup.table for lookup in lookups if lookup.table != RAW}
    numbers = {field.name for field in fields if field.type == "integer" and field.critical}
    names = {name for field in fields if field.name == "event_name" for name in field.allowed}
    match _value(events.customProperties, "amount"):
        case None:
            return None
        case {"field": str(name), "events": list(of), **more} if (
            name in numbers and names.issuperset(of) and (by := more.get("lookup")) in (None, *tables)
        ):
            return Amount(name, tuple(of), tables.get(by))
        case stated:
            raise ContractError(
                f"{where}: the amount {stated} needs a critical integer field, names of events, and no lookup or one "
                "with a table of its own"
            )


def _lookups(events: SchemaObject, fields: tuple[Field, ...], where: str) -> tuple[Lookup, ...]:
    keys = {field.name: field for field in fields if field.type in ("uuid", "string") and field.critical}
    partitioned_by, lookups = _only(events, "partitioned", where), []
    for stated in _value(events.customProperties, "lookups") or ():
        match stated:
            case {"name": str(name), "field": str(place), "spans": str(spans)} if place == partitioned_by:
                lookups.append(Lookup(name, keys[place], RAW, spans))
            case {"name": str(name), "field": str(place)} if place in keys and place != partitioned_by:
                lookups.append(Lookup(name, keys[place], f"{RAW}_by_{name}"))
            case _:
                raise ContractError(f"{where}: the lookup {stated} needs a name and a critical field of text or UUIDs")
    return tuple(lookups)


def _check_envelope(events: SchemaObject, fields: tuple[Field, ...], where: str) -> None:
    there = {field.name: field.type for field in fields if field.required}
    for name, kind in ENVELOPE.items():
        if there.get(name) != kind:
            raise ContractError(f"{where}: every domain's events have a required field {name} of the type {kind}")
    if (key := _only(events, "primaryKey", where)) != IDENTITY:
        raise ContractError(f"{where}: primaryKey must be {IDENTITY}, not {key}")


def _only(events: SchemaObject, mark: str, where: str) -> str:
    """The name of the one field that has a mark."""
    names = [prop.name or "" for prop in events.properties or [] if getattr(prop, mark)]
    if len(names) != 1:
        raise ContractError(f"{where}: one field must have {mark}: true, not {len(names)}")
    return names[0]


def _version(document: OpenDataContractStandard, where: str) -> int:
    number = (document.version or "").removesuffix(".0.0")
    if not number.isdigit():
        raise ContractError(f"{where}: the version must be a whole number and .0.0, not {document.version}")
    return int(number)


def parse(text: str, where: str) -> Contract:
    """The contract in `text`; `where` names it in errors. Raises ContractError."""
    try:
        document = OpenDataContractStandard.from_string(text)
    except (ValidationError, yaml.YAMLError) as error:
        raise ContractError(f"{where} is not an Open Data Contract: {error}") from None
    if not document.schema_ or not document.schema_[0].properties:
        raise ContractError(f"{where} has no schema with properties")
    events = document.schema_[0]
    expectations = []
    for quality in events.quality or []:
        action = _custom(quality.customProperties, "action")
        if not quality.name or not quality.implementation or action not in ACTIONS:
            raise ContractError(
                f"{where}: the expectation {quality.name} needs a name, an implementation and an action: "
                f"{', '.join(ACTIONS)}"
            )
        expectations.append(Expectation(quality.name, str(quality.implementation), action, quality.description or ""))
    names = [e.name for e in expectations]
    if len(set(names)) < len(names):
        raise ContractError(f"{where}: two expectations share a name")
    marked = _marked(events.properties)
    fields = tuple(_field(p, where, marked) for p in events.properties or [])
    lookups = _lookups(events, fields, where)
    _check_envelope(events, fields, where)
    return Contract(
        domain=document.name or "",
        version=_version(document, where),
        purpose=(document.description.purpose or "") if document.description else "",
        partitioned_by=_only(events, "partitioned", where),
        business_key=_business_key(events, fields, where),
        amount=_amount(events, fields, lookups, where),
        fields=fields,
        expectations=tuple(expectations),
        dimensions=_dimensions(events, fields, where),
        lookups=lookups,
        max_late=_minutes(events, "maxLateMinutes", where),
        max_future=_minutes(events, "maxFutureMinutes", where),
    )


@cache
def load(domain: str) -> Contract:
    """The contract of a domain; raises ContractError, which names the domains there are."""
    path = FOLDER / f"{domain}.yaml"
    if not path.exists():
        there = ", ".join(sorted(p.stem for p in FOLDER.glob("*.yaml")))
        raise ContractError(f"there is no contract for {domain!r}; there are: {there}")
    contract = parse(path.read_text(), path.name)
    if contract.domain != domain:
        raise ContractError(f"{path.name} names itself {contract.domain!r}, not {domain!r}")
    return contract
