"""Makes functions known to SQL in the dashboards' files, as Jinja macros: grain.py's, to each domain's database its
own, which know from when on it has minutes; and named.py's, which knows what is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from flask import has_request_context, request
from named import named
from superset.jinja_context import JinjaTemplateProcessor, safe_proxy

Macros = Mapping[str, Callable[..., object]]


def question(dataset: Any) -> str | None:
    """All that is asked of a dataset, as text: a chart's queries, and the rules by which rows are kept from its reader.
    None where it is asked in another way than by a chart on a page, so that nobody can say."""
    from superset import security_manager  # there as soon as the application is

    body = request.get_json(silent=True) if has_request_context() else None
    queries = body.get("queries") if isinstance(body, dict) else None
    if dataset is None or not queries:
        return None
    return json.dumps([queries, security_manager.get_rls_cache_key(dataset)])


def processor(of_database: Mapping[str, Macros]) -> type[JinjaTemplateProcessor]:
    """What Superset renders SQL with: name of a database -> the macros that are known there."""

    class Processor(JinjaTemplateProcessor):
        def set_context(self, **kwargs: Any) -> None:
            super().set_context(**kwargs)
            macros = of_database.get(self._database.database_name, {})
            asked = cache(partial(question, self._table))  # found out where somebody wants to know, and once
            known = {**macros, "named": lambda columns: named(columns, asked())}
            # Superset lets nothing else through than what this has wrapped.
            self._context |= {name: partial(safe_proxy, macro) for name, macro in known.items()}

    return Processor
