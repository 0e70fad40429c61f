"""Makes grain.py's functions known to SQL in the dashboards' files, as Jinja macros: to each domain's database its own,
which know from when on it has minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from superset.jinja_context import JinjaTemplateProcessor, safe_proxy

Macros = Mapping[str, Callable[..., object]]


def processor(of_database: Mapping[str, Macros]) -> type[JinjaTemplateProcessor]:
    """What Superset renders SQL with: name of a database -> the macros that are known there."""

    class Processor(JinjaTemplateProcessor):
        def set_context(self, **kwargs: Any) -> None:
            super().set_context(**kwargs)
            macros = of_database.get(self._database.database_name, {})
            # Superset lets nothing else through than what this has wrapped.
            self._context |= {name: partial(safe_proxy, macro) for name, macro in macros.items()}

    return Processor
