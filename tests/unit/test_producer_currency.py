"""Money: conversion and storefront prices."""

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.domains.ecommerce.currency import CURRENCIES, eur_cents, round_half_up, storefront_price

currencies = st.sampled_from(list(CURRENCIES.values()))


@given(numerator=st.integers(0, 10**18), denominator=st.integers(1, 10**9))
def test_rounds_halves_up(numerator, denominator):
    quotient = Decimal(numerator) / Decimal(denominator)
    # Decimal's 28 digits hold these quotients exactly enough: a half is one only when the division comes out even.
    assert round_half_up(numerator, denominator) == int(quotient.quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize(
    ("amount", "code", "cents"),
    [
        (1999, "EUR", 1999),
        (100, "USD", 92),
        (1000, "USD", 922),
        (1000, "JPY", 613),
        (100_000, "INR", 1093),
        (0, "GBP", 0),
    ],
)
def test_converts_minor_units(amount, code, cents):
    assert eur_cents(amount, CURRENCIES[code]) == cents


@given(amount=st.integers(0, 10**11), currency=currencies)
def test_conversion_is_off_by_half_a_cent_at_most(amount, currency):
    exact = Decimal(amount) * currency.eur_micros / (10_000 * 10**currency.decimals)
    assert abs(eur_cents(amount, currency) - exact) <= Decimal("0.5")


@given(price=st.integers(1, 10**7), currency=currencies)
def test_storefront_prices_are_positive_and_near_the_price(price, currency):
    local = storefront_price(price, currency)
    assert local > 0
    assert (local + currency.price_ending) % currency.price_step == 0
    step_in_cents = eur_cents(currency.price_step, currency)
    assert abs(eur_cents(local, currency) - price) <= step_in_cents + 1
