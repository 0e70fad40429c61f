"""One module a domain: its tables as pure functions of events, and what they and the archive need of an event.

A domain's module has
- COLUMNS: the contract's fields that its functions read
- `@table` functions: a Polars frame of judged events -> rows of the MySQL table of the same name
- ARCHIVE: how its events are keyed in Cassandra (see spark_jobs/sinks/cassandra.py)
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from spark_jobs.merge import Table


def load(domain: str) -> ModuleType:
    """The module of a domain; raises ModuleNotFoundError."""
    return import_module(f"spark_jobs.domains.{domain}")


def tables(domain: str) -> tuple[Table, ...]:
    """The aggregate tables of a domain, in the order of their names."""
    return tuple(value for _, value in sorted(vars(load(domain)).items()) if isinstance(value, Table))
