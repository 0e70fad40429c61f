"""One module a domain: its tables as pure functions of events, and what they and the archive need of an event.

A domain's module has
- COLUMNS: the contract's fields that its functions read
- DERIVED: sums over the objects of an array field, for the contract's expectations (see Judge)
- `@table` functions: a Polars frame of judged events -> rows of the MySQL table of the same name
- ARCHIVE: its Cassandra tables, what an event's row in each of them consists of (spark_jobs/sinks/cassandra.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

import contracts
from spark_jobs.judge import Judge
from spark_jobs.merge import Table


def load(domain: str) -> ModuleType:
    """The module of a domain; raises ModuleNotFoundError."""
    return import_module(f"spark_jobs.domains.{domain}")


def tables(domain: str) -> tuple[Table, ...]:
    """The aggregate tables of a domain, in the order of their names."""
    return tuple(value for _, value in sorted(vars(load(domain)).items()) if isinstance(value, Table))


def judge(domain: str, columns: Sequence[str] | None = None, kept: bool = True) -> Judge:
    """The judge of a domain's records, returning `columns`, by default those that its tables need."""
    module = load(domain)
    return Judge(contracts.load(domain), module.COLUMNS if columns is None else columns, module.DERIVED, kept)
