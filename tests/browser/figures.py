"""What a page shows against what SQL gives: equal within half a unit of the last digit shown.

Browsers round half up, Python half to even, and an axis may write 1.41k for 1,410.5. What is compared is at rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tests.waiting import wait_for

SUFFIXES = {"%": 0.01, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}
MINUS = "-\u2212"
WRITTEN = re.compile(rf"([{MINUS}]?)[^\d.,{MINUS}]*(\d[\d,]*)(\.\d+)?\s*([%kKMGB]?)(?![A-Za-z])")
FLOAT_NOISE = 1e-9


class Figure(NamedTuple):
    """A number as it is written: anything within `half_unit` of `value` may be meant."""

    value: float
    half_unit: float

    def means(self, figure: float) -> bool:
        return abs(self.value - figure) <= self.half_unit + FLOAT_NOISE * max(1.0, abs(figure))


def read(text: str) -> Figure:
    """`€ 1,234.50` is 1234.5, `4.2%` is 0.042, `1.41k` is 1410; other units stay: `12.3 min` is 12.3.

    Raises ValueError where no number is written.
    """
    found = WRITTEN.search(text)
    if not found:
        raise ValueError(f"{text!r} is not a number")
    sign, digits, decimals, suffix = found.groups(default="")
    unit = SUFFIXES.get(suffix, 1.0)
    value = float(digits.replace(",", "") + decimals) * unit
    return Figure(-value if sign else value, unit * 10.0 ** -max(0, len(decimals) - 1) / 2)


def wait_until_shown(texts: Callable[[], Mapping[str, str | None]], figures: Mapping[str, float]) -> None:
    """Waits until the texts under the names of `figures`, and no others, mean these figures; says which ones don't."""
    off: dict[str, tuple[str | None, float | None]] = {}

    def agree() -> bool:
        off.clear()
        written = texts()
        for name in {**written, **figures}:
            text, figure = written.get(name), figures.get(name)
            if not text or figure is None or not WRITTEN.search(text) or not read(text).means(figure):
                off[name] = (text, figure)
        return not off

    wait_for("the page shows what MySQL says", agree, but=lambda: f"(on the page, in MySQL): {off}")
