"""One module a domain: its report.

A domain's module has
- OPTIONS: what one can choose, with what there is to choose from
- QUERIES: name -> a SELECT, in which %(name)s is what was chosen of an option
- `report(rows, chosen, made_at)`: the rows of each query, by its name -> reports.page.Report, as a pure function
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


def names() -> list[str]:
    """The domains that have a report."""
    return sorted(module.name for module in iter_modules(__path__))


def load(domain: str) -> ModuleType:
    """The module of a domain; raises ModuleNotFoundError."""
    return import_module(f"reports.domains.{domain}")
