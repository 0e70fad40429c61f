"""One module a domain: its tables as pure functions of events, and what they and the archive need of an event.

A domain's module has
- COLUMNS: the contract's fields that its functions read
- DERIVED: sums over the objects of an array field, for the contract's expectations (see Validator)
- `@table` functions: a Polars frame of validated events -> rows of the MySQL table of the same name
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from operator import attrgetter
from types import ModuleType

import polars as pl

import contracts
from contracts import Contract
from contracts.contract import IDENTITY, RAW
from spark_jobs.merge import Table
from spark_jobs.pipeline_tables import events_by_minute
from spark_jobs.sinks.cassandra import RawTable
from spark_jobs.validation import Validator


def load(domain: str) -> ModuleType:
    """The module of a domain; raises ModuleNotFoundError."""
    return import_module(f"spark_jobs.domains.{domain}")


@cache
def raw_tables(domain: str) -> tuple[RawTable, ...]:
    """A domain's Cassandra tables, the one that has all events first."""
    contract = contracts.load(domain)
    own = [lookup for lookup in contract.lookups if lookup.table != RAW]
    return (
        RawTable(RAW, (contract.partitioned_by, "occurred_at", IDENTITY), contract.partitioned_by),
        *(RawTable(lookup.table, (lookup.field.name, "occurred_at", IDENTITY)) for lookup in own),
    )


def tables(domain: str) -> tuple[Table, ...]:
    """The aggregate tables of a domain, in the order of their names: its own, and the one that every domain has."""
    own = (value for value in vars(load(domain)).values() if isinstance(value, Table))
    return tuple(sorted((*own, events_by_minute(contracts.load(domain).amount)), key=attrgetter("name")))


def validator(domain: str, columns: Sequence[str] | None = None, kept: bool = True) -> Validator:
    """The validator of a domain's records, returning `columns`, by default those that its tables need."""
    wanted = columns_of(domain) if columns is None else columns
    return Validator(contracts.load(domain), wanted, getattr(load(domain), "DERIVED", {}), kept)


def columns_of(domain: str) -> tuple[str, ...]:
    """The fields that a domain's tables need, and those by which an event is told."""
    contract = contracts.load(domain)
    counted = ("event_name", "occurred_at", *([contract.amount.field] if contract.amount else []))
    return tuple(dict.fromkeys((*load(domain).COLUMNS, *told_by(contract), *counted)))


def told_by(contract: Contract) -> tuple[str, ...]:
    """The fields by which an event is told from others, and found in the archive."""
    key = contract.business_key
    names = (key.field, *pl.sql_expr(key.where).meta.root_names()) if key else ()
    return (IDENTITY, *raw_tables(contract.domain)[0].clustering, *names)
