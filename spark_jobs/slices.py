"""How the slices of a micro-batch are validated by Spark's workers, and come back to the driver."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterable, Iterator
from functools import cache

import polars as pl
import pyarrow as pa

from spark_jobs import domains, seen
from spark_jobs.pipeline_tables import with_samples
from spark_jobs.validation import ContractViolation, Validator

VALIDATED = "validated binary"
"""What comes back of a slice, as Spark's schema: one value, an Arrow file."""


@cache
def worker_validator(domain: str, columns: tuple[str, ...] | None = None, kept: bool = True) -> Validator:
    """The validator of a domain, made once a worker process."""
    validator = domains.validator(domain, columns, kept)
    gc.freeze()  # What is loaded by now stays; walking through it took a seventh of the time spent on events.
    return validator


def validated(validator: Validator, records: pa.RecordBatch) -> pl.DataFrame:
    """Validator.validate's columns, partition, offset and digest of a slice of the source. Raises ContractViolation."""
    frame = pl.DataFrame(pl.from_arrow(records.select(["partition", "offset", "timestamp"])))
    values = records.column("value").to_pylist()
    try:
        verdict = validator.validate(values, frame["timestamp"], records.column("length").to_pylist())
    except ContractViolation as violation:
        partition, offset = frame.select("partition", "offset").row(violation.row)
        raise ContractViolation(violation.row, f"partition {partition}, offset {offset}: {violation}") from None
    return verdict.with_columns(frame["partition"], frame["offset"], digests(values, verdict["reject"]))


def digests(values: Iterable[bytes | None], rejects: pl.Series) -> pl.Series:
    """The digest of each good record, null for a rejected one."""
    of_all = pl.Series(seen.digests(value or b"" for value in values))
    return pl.select(pl.when(rejects.is_null()).then(of_all).alias("digest")).to_series()


def validate_slices(domain: str, slices: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For mapInArrow: each slice of the source validated, as `packed`."""
    validator = worker_validator(domain)
    for records in slices:
        yield packed(with_samples(validated(validator, records), pl.Series(pl.from_arrow(records.column("value")))))


def packed(frame: pl.DataFrame) -> pa.RecordBatch:
    """Validated records as one row with one value, an Arrow file.

    Rows would be converted twice on their way through the JVM; one value is handed over as it is.
    """
    return pa.RecordBatch.from_pydict(
        {"validated": pa.array([frame.write_ipc(None, compression="lz4").getvalue()], pa.binary())}
    )


def read_slices(values: Iterable[bytes]) -> pl.DataFrame:
    """The validated records of all slices together."""
    return pl.concat(pl.read_ipc(io.BytesIO(value), use_pyarrow=False) for value in values)
