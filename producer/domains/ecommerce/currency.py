"""Currencies of the storefronts and their fixed rates to the reporting currency, the euro.

Amounts are integers in minor units: cents, pence, paise; the yen has none, so its minor unit is the yen.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Currency:
    code: str
    decimals: int
    """Digits of the minor unit: 2 for cents, 0 for yen."""
    eur_micros: int
    """What one major unit is worth, in millionths of a euro."""
    price_step: int
    """Prices end just below a multiple of this many minor units, as shops write them: 19.99, 1,990 yen."""
    price_ending: int
    """How far below, in minor units."""


CURRENCIES = {
    currency.code: currency
    for currency in (
        Currency("EUR", 2, 1_000_000, 100, 1),
        Currency("USD", 2, 921_500, 100, 1),
        Currency("GBP", 2, 1_172_300, 100, 1),
        Currency("JPY", 0, 6_127, 100, 10),
        Currency("INR", 2, 10_934, 5_000, 100),
        Currency("BRL", 2, 168_200, 500, 10),
    )
}


def round_half_up(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest integer, halves up; for amounts that are not negative."""
    return (2 * numerator + denominator) // (2 * denominator)


def eur_cents(amount: int, currency: Currency) -> int:
    """`amount` minor units of `currency` in euro cents.

    It is applied to each line of an order, never to their sum: so an order is the sum of its lines in both currencies.
    """
    return round_half_up(amount * currency.eur_micros, 10_000 * 10**currency.decimals)


def storefront_price(price_eur_cents: int, currency: Currency) -> int:
    """The price in minor units that a storefront in `currency` puts on an item worth `price_eur_cents`."""
    exact = round_half_up(price_eur_cents * 10_000 * 10**currency.decimals, currency.eur_micros)
    return max(1, round_half_up(exact, currency.price_step)) * currency.price_step - currency.price_ending
