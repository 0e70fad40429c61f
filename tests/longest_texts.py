"""Validated events whose texts are as long as the contract lets them be: what the columns of tables must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _parser as patterns
from typing import Any

import polars as pl

from contracts import Contract, Field
from spark_jobs.validation import MAX_RECORD_BYTES

LETTERS = "x\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}\N{LATIN SMALL LETTER SHARP S}\N{GRINNING FACE}"
"""A plain one, one that is two when it is made small, one that is two when it is made large, and one of four bytes."""
OF_EACH_NAME = 5
"""So many events of each name are enough: a text is as long as it can be in all of them."""


def longest(field: Field) -> list[str]:
    """Texts that are as long as this field's can be, each in its way."""
    length = field.max_length or MAX_RECORD_BYTES
    if field.allowed:
        return [max(field.allowed, key=len)]
    if field.pattern:
        text = matching(patterns.parse(field.pattern), length)[:length]
        assert re.search(field.pattern, text), f"{field.name}: this knows no long text that matches {field.pattern}"
        return [text]
    return [*(letter * length for letter in LETTERS), "x" * (length - 1) + " "]


def matching(pattern: Any, most: int) -> str:
    """A text, as long as can be, that matches a parsed pattern; what may go on for ever comes `most` times."""
    text = ""
    for kind, of in pattern:
        match str(kind):
            case "LITERAL":
                text += chr(of)
            case "IN":
                text += one_of(*of[0])
            case "MAX_REPEAT" | "MIN_REPEAT":
                text += matching(of[2], most) * min(of[1], most)
            case "SUBPATTERN":
                text += matching(of[3], most)
            case "BRANCH":
                text += max((matching(part, most) for part in of[1]), key=len)
            case "ANY" | "NOT_LITERAL":
                text += "9"
    return text


def one_of(kind: Any, of: Any) -> str:
    """A character of a class, by the first of what it lists."""
    return chr(of) if str(kind) == "LITERAL" else chr(of[0]) if str(kind) == "RANGE" else "9"


def texts(contract: Contract, columns: list[str]) -> Iterator[tuple[str | None, Field]]:
    """The fields that hold text, of these columns: with the array that they are in, None where they are in none."""
    for field in contract.fields:
        if field.name in columns:
            yield from ((None, field),) if field.type == "string" else ()
            yield from ((field.name, item) for item in field.items if item.type == "string")


def changed(events: pl.DataFrame, array: str | None, name: str, text: str | None) -> pl.DataFrame:
    """Events with this text in a field, of all objects where it is in an array."""
    value = pl.lit(text, dtype=pl.String()).alias(name)
    if array is None:
        return events.with_columns(value)
    return events.with_columns(pl.col(array).list.eval(pl.element().struct.with_fields(value)))


def with_longest_texts(contract: Contract, events: pl.DataFrame) -> pl.DataFrame:
    """Good events of every name once for each way in which their texts are long, and once without those that need not
    be there. What stands for a list of words is changed one field at a time: events of one name alone would leave
    tables empty.
    """
    events = events.filter(pl.int_range(pl.len()).over("event_name") < OF_EACH_NAME)
    found = list(texts(contract, events.columns))
    free = [(array, field.name, longest(field)) for array, field in found if not field.allowed]
    frames = []
    for way in range(len(LETTERS) + 1):
        frame = events
        for array, name, long in free:
            frame = changed(frame, array, name, long[way % len(long)])
        frames.append(frame)
    without = events
    for array, field in found:
        if field.allowed and field.name != "event_name":  # there are events of each
            frames.append(changed(events, array, field.name, *longest(field)))
        if not field.required:
            without = changed(without, array, field.name, None)
    return pl.concat([*frames, without])
