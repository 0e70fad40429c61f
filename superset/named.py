"""Which columns a chart's question names: what nobody asks for or filters by need not be told apart.

To add rows up by four columns of text takes MySQL three times as long as to add them up, and most charts are looked at
without a filter.
"""

from __future__ import annotations

import re


def named(columns: str, question: str | None = None) -> str:
    """Those of some columns that a question names anywhere, in SQL: each with a comma after it. All of them where the
    question is not known."""
    found = [name for name in columns.split(", ") if question is None or re.search(rf"\b{name}\b", question)]
    return "".join(f"{name}, " for name in found)
