"""The pairs of the simulated market: named as at an exchange, with prices that are made up."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

E8 = 8
"""Decimals of the integers in which prices, quantities and amounts are told."""


@dataclass(frozen=True)
class Pair:
    """Two currencies, of which one is paid with the other.

    - price: about which it moves
    - price_decimals, quantity_decimals: of the steps of prices and quantities; together at most 8, so that what is paid
      is a whole number of 1e-8
    - share: of all trades
    - volatility: of a year's returns, as a fraction
    - beta: the correlation of its returns with the market's
    """

    symbol: str
    price: float
    price_decimals: int
    quantity_decimals: int
    share: float
    volatility: float
    beta: float

    @property
    def log_price(self) -> float:
        return log(self.price)

    def price_e8(self, steps: int) -> int:
        return steps * 10 ** (E8 - self.price_decimals)

    def quantity_e8(self, steps: int) -> int:
        return steps * 10 ** (E8 - self.quantity_decimals)

    def quote_e8(self, price_steps: int, quantity_steps: int) -> int:
        """What is paid."""
        return price_steps * quantity_steps * 10 ** (E8 - self.price_decimals - self.quantity_decimals)


PAIRS = (
    Pair("BTCUSDT", 68_000, 2, 5, 0.26, 0.52, 0.88),
    Pair("ETHUSDT", 3_400, 2, 4, 0.19, 0.66, 0.86),
    Pair("SOLUSDT", 165, 2, 3, 0.12, 0.88, 0.76),
    Pair("XRPUSDT", 0.62, 4, 1, 0.09, 0.82, 0.62),
    Pair("BNBUSDT", 590, 1, 3, 0.08, 0.55, 0.74),
    Pair("DOGEUSDT", 0.14, 5, 0, 0.07, 0.95, 0.68),
    Pair("ADAUSDT", 0.45, 4, 1, 0.05, 0.80, 0.72),
    Pair("AVAXUSDT", 29, 2, 2, 0.04, 0.90, 0.74),
    Pair("LINKUSDT", 14.5, 2, 2, 0.03, 0.84, 0.72),
    Pair("DOTUSDT", 6.3, 3, 2, 0.03, 0.80, 0.73),
    Pair("LTCUSDT", 84, 2, 3, 0.02, 0.70, 0.70),
    Pair("TRXUSDT", 0.13, 5, 1, 0.02, 0.48, 0.40),
)
SYMBOLS = tuple(pair.symbol for pair in PAIRS)
