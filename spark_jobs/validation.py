"""Validates records against the contract: the one place where an event is found good or bad.

Both queries and the rebuild use it, so that archive and aggregates never disagree about a record. A record is decoded
strictly (msgspec, types made from the contract) and, where that fails, once more field by field, to leave out what is
not critical (spark_jobs/lenient.py); then the contract's expectations are evaluated by Polars' SQL. A verdict depends
on nothing but the record and the broker's time for it: a replay gives the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from contracts import Contract, ContractError, Expectation, Field
from spark_jobs.lenient import Lenient, fault

MAX_RECORD_BYTES = 256 * 1024
"""Longer records are rejected unread: no event is that long, and one must not fill a worker's memory."""
MAX_DETAIL = 500
"""Characters of a reason in words: some have a value of the record in them."""

TIMESTAMP = pl.Datetime("us", "UTC")
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
POLARS_TYPES = {"string": pl.String(), "uuid": pl.Binary(), "integer": pl.Int64(), "timestamp": TIMESTAMP}
DECODED_TYPES = {**POLARS_TYPES, "uuid": pl.String(), "timestamp": pl.Int64()}
UUID_PATTERN = "^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class ContractViolation(RuntimeError):  # noqa: N818 - it is what the contract's action `fail` raises
    """A record fails an expectation whose action is `fail`: the query must stop. `row` is its place in the input."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row


def polars_type(field: Field) -> pl.DataType:
    """The column type of a field: ids are 16 bytes, times are microseconds UTC, arrays are lists of structs."""
    if field.type == "array":
        return pl.List(pl.Struct({item.name: polars_type(item) for item in field.items}))
    return POLARS_TYPES[field.type]


def _pattern(field: Field) -> str | None:
    """The regular expression (Rust's dialect, as Polars has it) that a text of this field must match."""
    return UUID_PATTERN if field.type == "uuid" else field.pattern


@dataclass
class Faults:
    """What is wrong in decoded objects, by their row: the first reason for which one is rejected, and the names of
    the fields that are left out."""

    rejected: dict[int, str] = dataclass_field(default_factory=dict)
    left_out: defaultdict[int, set[str]] = dataclass_field(default_factory=lambda: defaultdict(set))


def _columns(objects: Sequence[Any], fields: Sequence[Field]) -> tuple[pl.DataFrame, Faults]:
    """Decoded objects as columns, and the faults of texts that do not match their patterns."""
    columns, faults = [], Faults()
    for field in fields:
        values = list(map(attrgetter(field.name), objects))
        if field.type == "timestamp":  # as integers: Polars takes six times as long over datetimes with a zone
            values = [None if value is None else (value - EPOCH) // MICROSECOND for value in values]
        column = pl.Series(field.name, values, dtype=DECODED_TYPES[field.type])
        if pattern := _pattern(field):
            rows = (~column.str.contains(pattern)).arg_true()
            for row in rows:
                if field.critical:
                    detail = f"`{field.name}` is {column[row][:80]!r}, which does not match {pattern}"
                    faults.rejected.setdefault(row, detail)
                else:
                    faults.left_out[row].add(field.name)
            if len(rows) and not field.critical:
                column = column.scatter(rows, None)
        if field.type == "uuid":
            column = column.str.replace_all("-", "", literal=True).str.decode("hex", strict=False)
        columns.append(column.cast(polars_type(field)))
    return pl.DataFrame(columns, height=len(objects)), faults


def _offsets(lists: Sequence[Sequence[Any]]) -> np.ndarray:
    """Where each list begins, and the last one ends, when all are laid out one after another."""
    return np.concatenate(([0], np.cumsum(np.fromiter(map(len, lists), np.int64, len(lists)))))


def _list_of(element: int, offsets: np.ndarray) -> int:
    """In which list an element lies, of lists that are laid out one after another."""
    return int(np.searchsorted(offsets, element, side="right")) - 1


def _sums(values: pl.Series, offsets: np.ndarray) -> pl.Series:
    """The sum over each list of values that are laid out one after another."""
    running = np.concatenate(([0], np.cumsum(values.to_numpy())))
    return pl.Series(values.name, running[offsets[1:]] - running[offsets[:-1]])


def _folded(field: Field, frame: pl.DataFrame, offsets: np.ndarray) -> pl.Series:
    """Objects that are laid out one after another, as a column of lists."""
    lists = pa.LargeListArray.from_arrays(offsets, frame.to_struct(field.name).to_arrow())
    return pl.Series(field.name, lists, dtype=polars_type(field))


class Validator:
    """A contract made ready to validate records.

    - columns: the fields to return, all by default; expectations see every field they name in any case
    - derived: array field -> column -> expression over the fields of its objects; the column has the expression's sum
      over an event's objects (integer, 0 without any), for expectations to use
    - kept: whether to find out which of the expectations with the action keep an event fails, and what is left out

    Raises ContractError when an expectation names a field that does not exist or is no boolean expression, and for a
    pattern that can't be used.
    """

    def __init__(
        self,
        contract: Contract,
        columns: Sequence[str] | None = None,
        derived: Mapping[str, Mapping[str, pl.Expr]] | None = None,
        kept: bool = True,
    ) -> None:
        self.contract = contract
        self.derived = {f.name: dict((derived or {}).get(f.name, {})) for f in contract.fields if f.type == "array"}
        self.fields = {field.name: field for field in contract.fields}
        self.lenient = Lenient(contract.domain, contract.fields)
        self.decoder = msgspec.json.Decoder(self.lenient.type)
        self.columns = tuple(self.fields if columns is None else columns)
        self._check_patterns()
        fails = {e: self._fails(e) for e in contract.expectations}
        self._check_types()
        self.kept = {e: failing for e, failing in fails.items() if e.action == "keep" and kept}
        self.strict = {e: failing for e, failing in fails.items() if e.action != "keep"}
        evaluated = (*self.kept.values(), *self.strict.values())
        self.named = {"occurred_at", *self.columns, *(name for e in evaluated for name in e.meta.root_names())}
        self.tells_failed = kept
        # What has a pattern is looked at in any case: the verdict must not depend on what a caller asks for.
        self.flat = [f for f in contract.fields if f.type != "array" and (f.name in self.named or self._looked_at(f))]
        self.arrays = {array: self._needed(self.fields[array]) for array in self.derived}

    def _looked_at(self, field: Field) -> bool:
        """Whether a text must be held against its pattern although nothing else needs it."""
        return bool(_pattern(field)) and (field.critical or self.tells_failed)

    def _needed(self, array: Field) -> list[Field]:
        """The fields of an array's objects that are returned, summed up or have a pattern."""
        summed = {name for amount in self.derived[array.name].values() for name in amount.meta.root_names()}
        return [f for f in array.items if array.name in self.named or f.name in summed or self._looked_at(f)]

    def _fails(self, expectation: Expectation) -> pl.Expr:
        """Whether an event fails an expectation: where it is FALSE, and if it rejects, where it can't be told, too."""
        try:
            met = pl.sql_expr(expectation.sql)
            names = met.meta.root_names()
        except Exception as error:
            raise ContractError(
                f"{self.contract.domain}: the expectation {expectation.name} is no SQL: {error}"
            ) from None
        unknown = sorted(set(names) - self.fields.keys() - {name for sums in self.derived.values() for name in sums})
        if unknown:
            raise ContractError(
                f"{self.contract.domain}: the expectation {expectation.name} names unknown fields: {unknown}"
            )
        return (~met).fill_null(expectation.action != "keep")

    def _check_patterns(self) -> None:
        for field in (*self.contract.fields, *(item for f in self.contract.fields for item in f.items)):
            try:
                pl.Series([""]).str.contains(_pattern(field) or "")
            except pl.exceptions.PolarsError as error:
                raise ContractError(f"{self.contract.domain}: the pattern of {field.name}: {error}") from None

    def _check_types(self) -> None:
        sums = {name: pl.Int64() for sums in self.derived.values() for name in sums}
        empty = pl.DataFrame(schema={f.name: polars_type(f) for f in self.fields.values()} | sums)
        for expectation in self.contract.expectations:
            try:
                kind = empty.select(pl.sql_expr(expectation.sql).alias("met"))["met"].dtype
            except pl.exceptions.PolarsError as error:
                raise ContractError(
                    f"{self.contract.domain}: the expectation {expectation.name} can't be evaluated: {error}"
                ) from None
            if kind != pl.Boolean():
                raise ContractError(
                    f"{self.contract.domain}: the expectation {expectation.name} is {kind}, not a boolean"
                )

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Columns of `validate`: the fields asked for, then

        - appended_at: when the broker took the record
        - reject (string): the kind of reason, null for a good record; `expectation:<name>` names an expectation
        - reject_detail (string): the reason in words, null for a good record
        - failed (list of strings): expectations with the action keep that a good record fails, and `field:<name>` for
          fields that are left out
        """
        return {
            **{name: polars_type(self.fields[name]) for name in self.columns},
            "appended_at": TIMESTAMP,
            "reject": pl.String(),
            "reject_detail": pl.String(),
            "failed": pl.List(pl.String()),
        }

    def validate(
        self, values: Sequence[bytes | None], appended_at: pl.Series, lengths: Sequence[int | None] | None = None
    ) -> pl.DataFrame:
        """One row a record, in order, with the columns of `schema`; the fields of a rejected record are null.

        `appended_at` are the broker's times (Datetime, UTC), `lengths` the records' lengths in bytes, where they may
        have been cut since. Raises ContractViolation for a good record that fails an expectation with the action fail.
        """
        good, events, rejects, details = [], [], [], []
        left_out: dict[int, set[str]] = {}
        for index, value in enumerate(values):
            kind, outcome, names = self._decode(value, lengths[index] if lengths else None)
            if kind is None:
                if names:
                    left_out[len(good)] = set(names)
                good.append(index)
                events.append(outcome)
            rejects.append(kind)
            details.append(None if kind is None else str(outcome))
        appended_at = appended_at.cast(TIMESTAMP)
        frame, faults = self._frame(events)
        for row, names in faults.left_out.items():
            left_out.setdefault(row, set()).update(names)
        frame = frame.with_columns(appended_at.gather(good).alias("appended_at"))
        reasons = self._untimely(frame) | {row: ("schema", detail) for row, detail in faults.rejected.items()}
        reasons |= self._broken(frame, reasons.keys(), values, good)
        for row, reason in reasons.items():
            rejects[good[row]], details[good[row]] = reason
        frame = frame.select(*self.columns, self._failed(left_out, frame.height))
        if len(good) < len(values) or reasons:  # spread the good ones over the rows of all
            places: list[int | None] = [None] * len(values)
            for row, index in enumerate(good):
                places[index] = None if row in reasons else row
            frame = frame.select(pl.all().gather(pl.Series(places, dtype=pl.UInt32())))
        return frame.select(
            *self.columns,
            appended_at.alias("appended_at"),
            pl.Series("reject", rejects, dtype=pl.String()),
            pl.Series("reject_detail", details, dtype=pl.String()).str.slice(0, MAX_DETAIL),
            "failed",
        )

    def validate_archived(self, values: Sequence[bytes], minute: datetime) -> pl.DataFrame:
        """As `validate`, for events of a minute (UTC) out of the archive.

        They came in time once, so they are validated as if they had arrived when they occurred.
        """
        return self.validate(values, pl.Series([minute], dtype=TIMESTAMP).new_from_index(0, len(values)))

    def _frame(self, events: list[Any]) -> tuple[pl.DataFrame, Faults]:
        """The columns that are asked for or named by expectations; and what `_columns` finds wrong."""
        frame, faults = _columns(events, self.flat)
        for name, items in self.arrays.items():
            lists = [getattr(event, name) or () for event in events]
            offsets = _offsets(lists)
            lines, of_lines = _columns([line for lines in lists for line in lines], items)
            for line, detail in of_lines.rejected.items():
                faults.rejected.setdefault(_list_of(line, offsets), f"{name}: {detail}")
            for line, names in of_lines.left_out.items():
                faults.left_out[_list_of(line, offsets)] |= {f"{name}.{each}" for each in names}
            amounts = lines.with_columns(amount.cast(pl.Int64()).alias(c) for c, amount in self.derived[name].items())
            frame = frame.with_columns(_sums(amounts[column], offsets) for column in self.derived[name])
            if name in self.named:
                frame = frame.with_columns(_folded(self.fields[name], lines, offsets))
        return frame, faults

    def _decode(self, value: bytes | None, length: int | None) -> tuple[str | None, Any, Sequence[str]]:
        """(None, event, names of fields left out) for a record of the contract's form, else (kind, detail, ())."""
        if not value:
            return "empty", "the record has no value", ()
        length = length or len(value)
        if length > MAX_RECORD_BYTES:
            return "too_large", f"{length} bytes, at most {MAX_RECORD_BYTES} are allowed", ()
        try:
            value.decode()  # the decoder does not look into strings that no field asks for
            return None, self.decoder.decode(value), ()
        except UnicodeDecodeError as error:
            return "not_utf8", error, ()
        except msgspec.ValidationError:
            return self._decode_leniently(value)
        except (msgspec.DecodeError, RecursionError) as error:
            return "not_json", error, ()

    def _decode_leniently(self, value: bytes) -> tuple[str | None, Any, Sequence[str]]:
        try:
            return None, *self.lenient.decode(value)
        except msgspec.ValidationError as error:
            return "schema", error, ()
        except (msgspec.DecodeError, RecursionError) as error:
            return "not_json", error, ()

    def _untimely(self, frame: pl.DataFrame) -> dict[int, tuple[str, str]]:
        """Row -> reason, for the events that occurred outside the contract's bounds around the broker's time."""
        age = pl.col("appended_at") - pl.col("occurred_at")
        bounds = {
            "too_late": (age > self.contract.max_late, f"occurred more than {self.contract.max_late} before"),
            "from_the_future": (
                age < -self.contract.max_future,
                f"occurred more than {self.contract.max_future} after",
            ),
        }
        return {
            row: (kind, f"{words} the broker took it")
            for kind, (outside, words) in bounds.items()
            for row in frame.select(outside).to_series().arg_true()
        }

    def _broken(
        self, frame: pl.DataFrame, rejected: Container[int], values: Sequence[bytes | None], good: list[int]
    ) -> dict[int, tuple[str, str]]:
        """Row -> reason, for the events that fail an expectation they must meet; the contract's first one counts.

        `rejected` are rows that are passed over; row n of the frame is the record `values[good[n]]`.
        """
        failing = frame.select(fails.alias(e.name) for e, fails in self.strict.items())
        broken: dict[int, tuple[str, str]] = {}
        for expectation in self.strict:
            for row in failing[expectation.name].arg_true():
                if row in rejected or row in broken:
                    continue
                if expectation.action == "fail":
                    raise ContractViolation(
                        good[row],
                        f"the expectation {expectation.name} ({expectation.sql}) fails, and its action is fail: "
                        f"{(values[good[row]] or b'')[:1000]!r}",
                    )
                broken[row] = f"expectation:{expectation.name}", f"{expectation.description}: {expectation.sql}"
        return broken

    def _failed(self, left_out: Mapping[int, set[str]], height: int) -> pl.Expr:
        """The names of the kept expectations that an event fails, then of the fields that are left out of it."""
        if not self.tells_failed:
            return pl.lit([], dtype=pl.List(pl.String())).alias("failed")
        names = [pl.when(fails).then(pl.lit(e.name)) for e, fails in self.kept.items()]
        failed = pl.concat_list(names or [pl.lit(None, pl.String())]).list.drop_nulls()
        if left_out:
            also = [sorted(map(fault, left_out.get(row, ()))) for row in range(height)]
            failed = failed.list.concat(pl.Series(also, dtype=pl.List(pl.String())))
        return failed.alias("failed")
