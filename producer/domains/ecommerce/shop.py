"""The catalogue: some 500 items in eight categories, and which of them are popular.

The shop is the same in every run, whatever the seed: items keep their ids, names and prices over a restart.
"""

from __future__ import annotations

import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from producer.domains.ecommerce.currency import CURRENCIES, storefront_price

URL = "https://shop.example"


class Item(NamedTuple):
    item_id: str
    name: str
    brand: str
    category: str
    variants: tuple[str, ...]
    prices: dict[str, int]
    """Currency code -> price of one in minor units."""
    page_url: str


@dataclass(frozen=True)
class Range:
    """What a category is made of: its items are all pairs of a style and a thing."""

    popularity: float
    typical_price_eur_cents: int
    brands: tuple[str, ...]
    styles: tuple[str, ...]
    things: tuple[str, ...]
    variants: tuple[str, ...]


RANGES = {
    "Electronics": Range(
        0.20, 14_900,
        ("Voltara", "Lumen", "Kairo", "Pixelon", "Nordwave"),
        ("Compact", "Wireless", "Pro", "Smart", "Mini", "Ultra", "Classic", "Studio"),
        ("Headphones", "Speaker", "Monitor", "Keyboard", "Camera", "Charger", "Router", "Tablet"),
        ("Black", "Silver", "White"),
    ),
    "Fashion": Range(
        0.20, 4_900,
        ("Halden", "Marlowe", "Otto Grey", "Savanna", "Linea"),
        ("Linen", "Merino", "Slim", "Relaxed", "Vintage", "Waxed", "Striped", "Organic"),
        ("Shirt", "Jacket", "Jeans", "Dress", "Sweater", "Scarf", "Trousers", "Coat"),
        ("S", "M", "L", "XL"),
    ),
    "Home": Range(
        0.15, 3_900,
        ("Fjell", "Casa Nova", "Oakline", "Brightside"),
        ("Oak", "Ceramic", "Woven", "Brass", "Glass", "Nordic", "Rustic", "Folding"),
        ("Lamp", "Vase", "Chair", "Shelf", "Blanket", "Mirror", "Clock", "Basket"),
        ("Natural", "Walnut", "White"),
    ),
    "Beauty": Range(
        0.11, 2_400,
        ("Aurelle", "Pure Fern", "Solenne", "Mira"),
        ("Hydrating", "Gentle", "Night", "Daily", "Rose", "Mineral", "Herbal", "Repair"),
        ("Serum", "Cream", "Shampoo", "Soap", "Mask", "Lotion", "Balm", "Oil"),
        ("30 ml", "50 ml", "100 ml"),
    ),
    "Sports": Range(
        0.11, 4_500,
        ("Stridex", "Peak & Pine", "Aerolite", "Tidal"),
        ("Trail", "Carbon", "Light", "Thermal", "Team", "Racing", "Foldable", "Grip"),
        ("Shoes", "Backpack", "Bottle", "Yoga Mat", "Racket", "Helmet", "Gloves", "Tent"),
        ("S", "M", "L"),
    ),
    "Toys": Range(
        0.09, 2_900,
        ("Tumbly", "Brickwell", "Little Fox", "Playora"),
        ("Wooden", "Magnetic", "Giant", "Musical", "Glow", "Plush", "Travel", "Junior"),
        ("Blocks", "Puzzle", "Train", "Robot", "Bear", "Kite", "Drum", "Board Game"),
        ("Red", "Blue", "Green"),
    ),
    "Books": Range(
        0.08, 1_600,
        ("Harbour Press", "Nine Lanterns", "Quill & Co", "Meridian"),
        ("Illustrated", "Pocket", "Complete", "Modern", "Hidden", "Essential", "Secret", "Brief"),
        ("Atlas", "Cookbook", "History", "Novel", "Poems", "Garden Guide", "Biography", "Mystery"),
        ("Hardcover", "Paperback"),
    ),
    "Grocery": Range(
        0.06, 700,
        ("Field & Hearth", "Olivetta", "Morning Mill", "Kumo"),
        ("Organic", "Roasted", "Wild", "Smoked", "Spiced", "Dark", "Salted", "Fresh"),
        ("Coffee", "Tea", "Chocolate", "Honey", "Olive Oil", "Granola", "Pasta", "Almonds"),
        ("250 g", "500 g", "1 kg"),
    ),
}  # fmt: skip

CATEGORIES = tuple(RANGES)

PROMOTIONS = {"Autumn Sale": 20, "Weekend Deals": 15, "New Season": 10, "Last Chance": 30}
"""Promotion -> percent off the items of the category that it shows."""


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower())


CATEGORY_URLS = {category: f"{URL}/c/{_slug(category)}" for category in CATEGORIES}


def _items(category: str, rng: random.Random) -> list[Item]:
    """The items of a category, most popular first."""
    made_of = RANGES[category]
    items = []
    for style in made_of.styles:
        for thing in made_of.things:
            name = f"{style} {thing}"
            price_eur_cents = round(made_of.typical_price_eur_cents * rng.lognormvariate(0, 0.55))
            items.append(
                Item(
                    item_id=str(uuid5(NAMESPACE_URL, f"{URL}/{category}/{name}")),
                    name=name,
                    brand=rng.choice(made_of.brands),
                    category=category,
                    variants=made_of.variants,
                    prices={code: storefront_price(price_eur_cents, currency) for code, currency in CURRENCIES.items()},
                    page_url=f"{URL}/p/{_slug(name)}",
                )
            )
    rng.shuffle(items)
    return items


_rng = random.Random("the one shop")  # noqa: S311 (nothing here is a secret)

ITEMS = {category: _items(category, _rng) for category in CATEGORIES}
"""Category -> its items, most popular first."""

SEARCH_RESULTS = {
    f"{style} {thing}": sum(other.things.count(thing) * len(other.styles) for other in RANGES.values())
    for made_of in RANGES.values()
    for style in made_of.styles
    for thing in made_of.things
}
"""Name of an item -> how many items are found by it: all things of that kind, of any style."""

_CATEGORY_WEIGHTS = list(accumulate(RANGES[category].popularity for category in CATEGORIES))
_ITEM_WEIGHTS = list(accumulate(1 / (rank + 2) for rank in range(len(ITEMS[CATEGORIES[0]]))))
"""Zipf: the item of rank r is looked at in proportion to 1 / (r + 2)."""


def pick_category(rng: random.Random) -> str:
    return CATEGORIES[bisect(_CATEGORY_WEIGHTS, rng.random() * _CATEGORY_WEIGHTS[-1])]


def pick_item(rng: random.Random, category: str) -> Item:
    return ITEMS[category][bisect(_ITEM_WEIGHTS, rng.random() * _ITEM_WEIGHTS[-1])]
