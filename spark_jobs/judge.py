"""Judges records against the contract: the one place where an event is found good or bad.

Both queries and the rebuild use it, so that archive and aggregates never disagree about a record. A record is decoded
strictly (msgspec, types made from the contract), then the contract's expectations are evaluated by Polars' SQL.
Judging depends on nothing but the record and the broker's time for it: a replay judges the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
import polars as pl

from contracts import Contract, ContractError, Expectation, Field

MAX_RECORD_BYTES = 256 * 1024
"""Longer records are rejected unread: no event of a shop is that long, and one must not fill a worker's memory."""

TIMESTAMP = pl.Datetime("us", "UTC")
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
POLARS_TYPES = {"string": pl.String(), "uuid": pl.Binary(), "integer": pl.Int64(), "timestamp": TIMESTAMP}


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


def _python_type(field: Field) -> Any:
    if field.type == "uuid":
        kind: Any = UUID
    elif field.type == "timestamp":
        kind = Annotated[datetime, msgspec.Meta(tz=True)]
    elif field.type == "integer":
        kind = Annotated[int, msgspec.Meta(ge=field.minimum, le=field.maximum)]
    elif field.type == "array":
        kind = Annotated[list[_struct(field.name, field.items)], msgspec.Meta(max_length=field.max_length)]
    else:
        # `$` would also match before a line feed at the end
        pattern = field.pattern.removesuffix("$") + r"\Z" if field.pattern else None
        if field.allowed:
            pattern = "^(?:" + "|".join(field.allowed) + r")\Z"
        kind = Annotated[str, msgspec.Meta(max_length=field.max_length, pattern=pattern)]
    return kind


def _struct(name: str, fields: Sequence[Field]) -> Any:
    members = [
        (f.name, _python_type(f)) if f.required else (f.name, _python_type(f) | None, None)
        for f in sorted(fields, key=lambda f: not f.required)
    ]
    return msgspec.defstruct(name, members, gc=False)


def _column(events: list[Any], field: Field) -> pl.Series:
    name, kind = field.name, polars_type(field)
    values = [getattr(event, name) for event in events]
    if field.type == "uuid":
        values = [None if value is None else value.bytes for value in values]
    elif field.type == "timestamp":  # as integers: Polars takes six times as long over datetimes with a zone
        values = [None if value is None else (value - EPOCH) // MICROSECOND for value in values]
        return pl.Series(name, values, dtype=pl.Int64()).cast(kind)
    return pl.Series(name, values, dtype=kind)


def _lines(events: list[Any], field: Field) -> pl.Series:
    """The column of an array of objects: its objects are laid out flat, column by column, then folded into lists."""
    lists = [getattr(event, field.name) or () for event in events]
    flat = [line for lines in lists for line in lines]
    index = pl.Series("index", [i for i, lines in enumerate(lists) for _ in lines], dtype=pl.Int64())
    frame = pl.DataFrame([_column(flat, item) for item in field.items])
    folded = (
        frame.select(index, pl.struct(pl.all()).alias(field.name))
        .group_by("index", maintain_order=True)
        .agg(pl.col(field.name))
    )
    everyone = pl.DataFrame({"index": pl.Series(range(len(events)), dtype=pl.Int64())})
    return everyone.join(folded, on="index", how="left", maintain_order="left")[field.name].fill_null([])


class Judge:
    """A contract made ready to judge records.

    `columns` are the fields to return, all by default; expectations see every field they name in any case, and the
    integer columns that `derived` computes from fields.
    Raises ContractError when an expectation names a field that does not exist or is no boolean expression.
    """

    def __init__(
        self,
        contract: Contract,
        columns: Sequence[str] | None = None,
        derived: Mapping[str, pl.Expr] | None = None,
    ) -> None:
        self.contract = contract
        self.derived = dict(derived or {})
        self.fields = {field.name: field for field in contract.fields}
        self.decoder = msgspec.json.Decoder(_struct(contract.domain, contract.fields))
        self.kept = tuple(e for e in contract.expectations if e.action == "keep")
        self.strict = tuple(e for e in contract.expectations if e.action != "keep")
        named = {name for e in contract.expectations for name in self._names(e)} | {"occurred_at"}
        self.columns = tuple(self.fields if columns is None else columns)
        self.decoded = [f for name, f in self.fields.items() if name in {*self.columns, *named} or f.type == "array"]
        self._check_expectations()

    def _names(self, expectation: Expectation) -> list[str]:
        try:
            names = pl.sql_expr(expectation.sql).meta.root_names()
        except Exception as error:
            raise ContractError(
                f"{self.contract.domain}: the expectation {expectation.name} is no SQL: {error}"
            ) from None
        unknown = sorted(set(names) - self.fields.keys() - self.derived.keys())
        if unknown:
            raise ContractError(
                f"{self.contract.domain}: the expectation {expectation.name} names unknown fields: {unknown}"
            )
        return names

    def _check_expectations(self) -> None:
        empty = pl.DataFrame(schema={f.name: polars_type(f) for f in self.fields.values()}).with_columns(**self.derived)
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
        """Columns of `judge`: the fields asked for, then

        - appended_at: when the broker took the record
        - reject (string): the kind of reason, null for a good record; `expectation:<name>` names an expectation
        - reject_detail (string): the reason in words, null for a good record
        - failed (list of strings): expectations with the action keep that a good record fails
        """
        return {
            **{name: polars_type(self.fields[name]) for name in self.columns},
            "appended_at": TIMESTAMP,
            "reject": pl.String(),
            "reject_detail": pl.String(),
            "failed": pl.List(pl.String()),
        }

    def judge(self, values: Sequence[bytes | None], appended_at: pl.Series) -> pl.DataFrame:
        """One row a record, in order, with the columns of `schema`; the fields of a rejected record are null.

        `appended_at` are the broker's times (Datetime, UTC). Raises ContractViolation for a good record that fails
        an expectation with the action fail.
        """
        good, events, rejects, details = [], [], [], []
        for index, value in enumerate(values):
            kind, outcome = self._decode(value)
            if kind is None:
                good.append(index)
                events.append(outcome)
            rejects.append(kind)
            details.append(None if kind is None else str(outcome))
        frame = pl.DataFrame(
            [(_lines if f.type == "array" else _column)(events, f) for f in self.decoded]
            + [appended_at.cast(TIMESTAMP).gather(good).alias("appended_at")]
        ).with_columns(**self.derived)
        failing = frame.select((~pl.sql_expr(e.sql)).fill_null(False).alias(e.name) for e in self.contract.expectations)
        for row, (kind, detail) in {**self._broken(failing, values, good), **self._untimely(frame)}.items():
            rejects[good[row]], details[good[row]] = kind, detail
        frame = frame.with_columns(self._failed(failing))
        verdict = pl.DataFrame(
            {
                "appended_at": appended_at.cast(TIMESTAMP),
                "reject": pl.Series(rejects, dtype=pl.String()),
                "reject_detail": pl.Series(details, dtype=pl.String()),
            }
        )
        if len(good) < len(values):  # spread the good ones over the rows of all
            frame = frame.with_columns(pl.Series("index", good, dtype=pl.Int64()))
            verdict = verdict.with_columns(pl.int_range(pl.len(), dtype=pl.Int64()).alias("index"))
            joined = verdict.join(frame.drop("appended_at"), on="index", how="left", maintain_order="left")
        else:
            joined = verdict.with_columns(frame.drop("appended_at").get_columns())
        is_good = pl.col("reject").is_null()
        return joined.select(
            *(pl.when(is_good).then(pl.col(name)).alias(name) for name in self.columns),
            "appended_at",
            "reject",
            "reject_detail",
            pl.when(is_good).then(pl.col("failed")).alias("failed"),
        )

    def _decode(self, value: bytes | None) -> tuple[str | None, Any]:
        """(None, event) for a record that has the contract's form, else (kind of reason, detail)."""
        if not value:
            return "empty", "the record has no value"
        if len(value) > MAX_RECORD_BYTES:
            return "too_large", f"{len(value)} bytes, at most {MAX_RECORD_BYTES} are allowed"
        try:
            value.decode()  # the decoder does not look into strings that no field asks for
            return None, self.decoder.decode(value)
        except UnicodeDecodeError as error:
            return "not_utf8", error
        except msgspec.ValidationError as error:
            return "schema", error
        except (msgspec.DecodeError, RecursionError) as error:
            return "not_json", error

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
        self, failing: pl.DataFrame, values: Sequence[bytes | None], good: list[int]
    ) -> dict[int, tuple[str, str]]:
        """Row -> reason, for the events that fail an expectation they must meet; the contract's first one counts."""
        broken: dict[int, tuple[str, str]] = {}
        for expectation in self.strict:
            for row in failing[expectation.name].arg_true():
                if expectation.action == "fail":
                    raise ContractViolation(
                        good[row],
                        f"the expectation {expectation.name} ({expectation.sql}) fails, and its action is fail: "
                        f"{(values[good[row]] or b'')[:1000]!r}",
                    )
                broken.setdefault(
                    row, (f"expectation:{expectation.name}", f"{expectation.description}: {expectation.sql}")
                )
        return broken

    def _failed(self, failing: pl.DataFrame) -> pl.Expr:
        """The names of the kept expectations that an event fails."""
        if not self.kept:
            return pl.lit([], dtype=pl.List(pl.String())).alias("failed")
        names = [pl.when(failing[e.name]).then(pl.lit(e.name)) for e in self.kept]
        return pl.concat_list(names).list.drop_nulls().alias("failed")
