"""Where the shop sells: the countries, their currencies, clocks and taxes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Country:
    code: str
    currency: str
    share: float
    """Part of the day's sessions."""
    utc_offset_minutes: int
    tax_percent: int
    regions: tuple[str, ...]


COUNTRIES = (
    Country("US", "USD", 0.30, -300, 7, ("California", "Texas", "New York", "Florida", "Illinois", "Washington")),
    Country("GB", "GBP", 0.14, 0, 20, ("England", "Scotland", "Wales", "Northern Ireland")),
    Country("DE", "EUR", 0.16, 60, 19, ("Berlin", "Bavaria", "Hamburg", "Hesse", "Saxony")),
    Country("FR", "EUR", 0.11, 60, 20, ("Île-de-France", "Occitanie", "Brittany", "Normandy")),
    Country("NL", "EUR", 0.07, 60, 21, ("North Holland", "South Holland", "Utrecht", "Gelderland")),
    Country("JP", "JPY", 0.08, 540, 10, ("Tokyo", "Osaka", "Hokkaido", "Fukuoka")),
    Country("IN", "INR", 0.08, 330, 18, ("Maharashtra", "Karnataka", "Delhi", "Tamil Nadu")),
    Country("BR", "BRL", 0.06, -180, 17, ("São Paulo", "Rio de Janeiro", "Bahia", "Paraná")),
)
