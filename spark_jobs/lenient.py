"""Decodes an event whose form is not quite the contract's: what is not critical is left out, the rest must fit.

Some fifteen times slower than the validator's strict decoder, and only asked where that has failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import msgspec

from contracts import Field


def fault(name: str) -> str:
    """How a fault in a field is counted, beside the contract's expectations; `lines.brand` is one of an array."""
    return f"field:{name}"


def not_critical(fields: Sequence[Field], place: str = "") -> list[tuple[str, Field]]:
    """The fields that are left out where they have a fault, those of arrays behind a dot."""
    found = []
    for field in fields:
        if not field.critical:
            found.append((place + field.name, field))
        found += not_critical(field.items, f"{place}{field.name}.")
    return found


def _python_type(field: Field) -> Any:
    """What the decoder makes of a field. Patterns and ids are checked later, a column at a time: it is far cheaper."""
    if field.type == "timestamp":
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if field.type == "integer":
        return Annotated[int, msgspec.Meta(ge=field.minimum, le=field.maximum)]
    if field.type == "array":
        return Annotated[list[event_type(field.name, field.items)], msgspec.Meta(max_length=field.max_length)]
    if field.allowed:
        return Literal[field.allowed]
    return Annotated[str, msgspec.Meta(max_length=field.max_length)]


def event_type(name: str, fields: Sequence[Field]) -> type:
    """The type of an object with these fields, as msgspec decodes it strictly."""
    members = [
        (f.name, _python_type(f)) if f.required else (f.name, _python_type(f) | None, None)
        for f in sorted(fields, key=lambda f: not f.required)
    ]
    return msgspec.defstruct(name, members, gc=False)


class Lenient:
    """Decodes objects with some fields into objects of `event_type`."""

    def __init__(self, name: str, fields: Sequence[Field]) -> None:
        self.type = event_type(name, fields)
        self.fields = fields
        self.decoders = {f.name: msgspec.json.Decoder(_python_type(f)) for f in fields if f.type != "array"}
        self.arrays = {f.name: Lenient(f.name, f.items) for f in fields if f.type == "array"}
        self.raw = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self.raws = msgspec.json.Decoder(list[msgspec.Raw])

    def decode(self, value: bytes | msgspec.Raw) -> tuple[Any, list[str]]:
        """The object in `value`, and the names of the fields that were left out of it.

        Raises msgspec.ValidationError, which says what is wrong with a critical field, or msgspec.DecodeError.
        """
        given = self.raw.decode(value)
        left_out: list[str] = []
        found = {field.name: self._value(field, given, left_out) for field in self.fields}
        return self.type(**found), left_out

    def _value(self, field: Field, given: Mapping[str, msgspec.Raw], left_out: list[str]) -> Any:
        raw = given.get(field.name)
        if not field.required and (raw is None or bytes(raw) == b"null"):
            return None
        try:
            if raw is None:
                raise msgspec.ValidationError("it is required and missing")
            if field.type == "array":
                return self._array(field, raw, left_out)
            if field.type == "integer":
                return self._integer(field, raw)
            return self.decoders[field.name].decode(raw)
        except msgspec.ValidationError as error:
            if field.critical:
                raise msgspec.ValidationError(f"`{field.name}`: {error}") from None
            left_out.append(field.name)
            return None

    def _array(self, field: Field, raw: msgspec.Raw, left_out: list[str]) -> list[Any]:
        elements = self.raws.decode(raw)
        if field.max_length is not None and len(elements) > field.max_length:
            raise msgspec.ValidationError(f"{len(elements)} elements, at most {field.max_length} are allowed")
        decoded = [self.arrays[field.name].decode(element) for element in elements]
        left_out += (f"{field.name}.{name}" for _, names in decoded for name in names)
        return [value for value, _ in decoded]

    def _integer(self, field: Field, raw: msgspec.Raw) -> int:
        """A number that is an integer, however it is written: 4998, 4998.0, 4.998e3."""
        try:
            return self.decoders[field.name].decode(raw)
        except msgspec.ValidationError:
            try:
                number = Decimal(bytes(raw).decode())
            except InvalidOperation:  # a text, say
                raise msgspec.ValidationError("Expected `int`") from None
            # First the bounds: the digits of 1e999999999 would fill the memory.
            below = field.minimum is not None and number < field.minimum
            above = field.maximum is not None and number > field.maximum
            if below or above or number != number.to_integral_value():
                raise
            return int(number)
