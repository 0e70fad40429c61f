"""What a shopper does during a visit: a state machine over the shop's pages, without clock or output.

The probabilities below are calibrated so that the shop looks alive: about two thirds of the visits look at an item,
a tenth puts something into the cart, and 3-4 % buy. Newsletter readers, returning shoppers and desktops buy more.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from math import log
from typing import Any, NamedTuple

from producer.domains.ecommerce.countries import COUNTRIES, Country
from producer.domains.ecommerce.currency import CURRENCIES, eur_cents, round_half_up
from producer.domains.ecommerce.shop import (
    CATEGORY_URLS,
    PROMOTIONS,
    SEARCH_RESULTS,
    URL,
    Item,
    pick_category,
    pick_item,
)
from producer.records import Dice, new_uuid

EVENTS_PER_VISIT = 5.26
"""Mean number of events of a visit, measured; a test keeps it true. The arrival rate is made from it."""

LONGEST_VISIT_MS = 5 * 60_000
"""Nearly every visit is over after this time; only refunds come later."""

BOUNCE = 0.30
LEAVE_AFTER_ITEM = 0.24
ON_TO_ITEM = 0.72
WISHLIST = 0.03
BUYING_MOOD = 0.115
"""Part of the visits that came to buy; multiplied by the factors of source, device and shopper."""
CART_IN_MOOD = 0.34
CART_OTHERWISE = 0.008
VIEW_CART = 0.85
REMOVE_LINE = 0.10
CHECK_OUT = 0.62
SHIPPING_GIVEN = 0.90
PAYMENT_GIVEN = 0.92
PAYMENT_FAILS = 0.09
RETRY_PAYMENT = 0.75
REFUND = 0.08
MISTYPED = 0.06

Line = dict[str, Any]
"""An element of an event's `items`; never changed once made, since several events share it."""


class Step(NamedTuple):
    after_ms: int
    """Time since the step before."""
    event_name: str
    fields: dict[str, Any]
    """Fields of the event besides those of the visit."""


class Choice(NamedTuple):
    options: tuple[Any, ...]
    weights: list[float]

    def pick(self, rng: random.Random) -> Any:
        return self.options[bisect(self.weights, rng.random() * self.weights[-1])]


def weighted(**options: float) -> Choice:
    return Choice(tuple(options), list(accumulate(options.values())))


class Source(NamedTuple):
    fields: dict[str, str]
    """Of the visit's events: utm_source, utm_medium, utm_campaign."""
    referrer: str | None
    mood_factor: float


def _utm(source: str, medium: str, *campaign: str) -> dict[str, str]:
    return dict(zip(("utm_source", "utm_medium", "utm_campaign"), (source, medium, *campaign), strict=False))


SOURCES = Choice(
    (
        Source({}, None, 1.1),
        Source(_utm("google", "organic"), "https://www.google.com/", 1.0),
        Source(_utm("google", "cpc", "brand"), "https://www.google.com/", 1.3),
        Source(_utm("facebook", "social", "autumn"), "https://www.facebook.com/", 0.6),
        Source(_utm("instagram", "social", "autumn"), "https://www.instagram.com/", 0.5),
        Source(_utm("newsletter", "email", "weekly"), None, 1.9),
        Source(_utm("affiliate", "referral", "reviews"), "https://reviews.example/", 1.2),
        Source(_utm("bing", "organic"), "https://www.bing.com/", 1.0),
    ),
    list(accumulate((0.26, 0.24, 0.13, 0.11, 0.08, 0.08, 0.06, 0.04))),
)

DEVICES = weighted(mobile=0.58, desktop=0.36, tablet=0.06)
DEVICE_MOOD = {"mobile": 0.85, "desktop": 1.25, "tablet": 1.0}
SYSTEMS = {
    "mobile": weighted(Android=0.56, iOS=0.44),
    "desktop": weighted(Windows=0.66, macOS=0.25, Linux=0.09),
    "tablet": weighted(iPadOS=0.62, Android=0.38),
}
BROWSERS = {
    "Android": weighted(Chrome=0.86, Firefox=0.08, Edge=0.06),
    "iOS": weighted(Safari=0.9, Chrome=0.1),
    "iPadOS": weighted(Safari=0.92, Chrome=0.08),
    "Windows": weighted(Chrome=0.62, Edge=0.24, Firefox=0.14),
    "macOS": weighted(Safari=0.55, Chrome=0.38, Firefox=0.07),
    "Linux": weighted(Firefox=0.5, Chrome=0.5),
}
PAYMENTS = weighted(card=0.55, paypal=0.27, invoice=0.10, wallet=0.08)
FAILURES = weighted(declined=0.5, insufficient_funds=0.25, authentication_failed=0.17, gateway_timeout=0.08)

PAYMENT_URL = f"{URL}/checkout/payment"

VERSION = 3
"""Of the contract, which the shop's senders follow, but for one."""
OLD_APP, OLD_VERSION = "tablet", 1
"""The app for this device has not been changed yet, as it always is with one of them."""

EXPERIMENT = "one_page_checkout"
VARIANT_CHECK_OUT = {"control": 1.0, "one_page": 1.12}

RETURNING = 0.35
"""Part of the visits made by shoppers that the shop knows."""
MOOD_OF_KNOWN = 1.5
KNOWN_SHOPPERS = 4_000
"""Known shoppers of each country; how often they come is as skewed as the items' popularity."""
_KNOWN_WEIGHTS = list(accumulate(1 / (rank + 20) for rank in range(KNOWN_SHOPPERS)))


def think_ms(chance: float, mean_ms: int) -> int:
    """How long a shopper takes to think, from a random number in [0, 1).

    Exponential, but between half a second and five times the mean: visits must come to an end.
    """
    return 500 + min(int(-log(1 - chance) * mean_ms), 5 * mean_ms)


def _equipment(rng: random.Random) -> dict[str, str]:
    device = DEVICES.pick(rng)
    system = SYSTEMS[device].pick(rng)
    return {"device": device, "os": system, "browser": BROWSERS[system].pick(rng)}


def _shopper(rng: Dice, country: Country) -> tuple[dict[str, Any], bool]:
    """The shopper's fields in an event, and whether the shop knows them."""
    if rng.random() >= RETURNING:
        shopper = {"anonymous_id": new_uuid(rng.ids), **_equipment(rng), "region": rng.choice(country.regions)}
        return shopper, False
    return _known_shopper(country, bisect(_KNOWN_WEIGHTS, rng.random() * _KNOWN_WEIGHTS[-1])), True


@cache
def _known_shopper(country: Country, rank: int) -> dict[str, Any]:
    """Made from their rank alone: they are the same people in every run."""
    rng = random.Random(f"{country.code} {rank}")  # noqa: S311 (nothing here is a secret)
    return {
        "user_id": new_uuid(rng),
        "anonymous_id": new_uuid(rng),
        **_equipment(rng),
        "region": rng.choice(country.regions),
    }


class Visit:
    """One visit: `fields` are the same in all of its events, `steps` are what happens."""

    __slots__ = ("_currency", "_mood", "_rng", "_source", "cart", "country", "fields", "key", "page_url", "promoted")

    def __init__(self, rng: Dice, country: Country) -> None:
        self._rng = rng
        self.country = country
        self._currency = CURRENCIES[country.currency]
        self._source: Source = SOURCES.pick(rng)
        shopper, known = _shopper(rng, country)
        session_id = new_uuid(rng.ids)
        self.key = session_id.encode()
        self.fields = {
            "schema_version": OLD_VERSION if shopper["device"] == OLD_APP else VERSION,
            **shopper,
            "session_id": session_id,
            "country": country.code,
            **self._source.fields,
            "experiment_id": EXPERIMENT,
            "variant_id": "one_page" if rng.random() < 0.5 else "control",
            "currency": country.currency,
        }
        mood = BUYING_MOOD * self._source.mood_factor * DEVICE_MOOD[shopper["device"]]
        self._mood = rng.random() < mood * (MOOD_OF_KNOWN if known else 1)
        self.cart: list[Line] = []
        """What the steps up to now have put into it and not taken out or bought."""
        self.page_url = self._source.referrer
        self.promoted: tuple[str, int] | None = None
        """Category of the promotion that the shopper followed, and its percents off."""

    def steps(self) -> Iterator[Step]:
        """The visit from its landing page to its end. A step changes the cart only when the next one is asked for."""
        rng = self._rng
        cart_chance = CART_IN_MOOD if self._mood else CART_OTHERWISE
        yield self._arrive()
        if rng.random() < BOUNCE:
            return
        category = pick_category(rng)
        while True:
            choice = rng.random()
            if choice < 0.22:
                category = pick_category(rng)
                yield self._go(9_000, "view_item_list", CATEGORY_URLS[category])
            elif choice < 0.34:
                yield self._search(8_000, pick_item(rng, category))
            elif choice < 0.40:
                category = pick_category(rng)
                promotion = rng.choice(tuple(PROMOTIONS))
                yield self._go(6_000, "view_promotion", f"{URL}/sale", promotion_name=promotion)
                if rng.random() < 0.4:
                    self.promoted = category, PROMOTIONS[promotion]
                    yield self._go(5_000, "select_promotion", CATEGORY_URLS[category], promotion_name=promotion)
            if rng.random() < ON_TO_ITEM:
                item = pick_item(rng, category)
                line = self._line(item)
                if choice < 0.40 and rng.random() < 0.6:
                    yield self._show(5_000, "select_item", self.page_url, [line])
                yield self._show(4_000, "view_item", item.page_url, [line])
                if rng.random() < WISHLIST:
                    yield self._show(7_000, "add_to_wishlist", item.page_url, [line])
                if rng.random() < cart_chance and all(line["item_id"] != other["item_id"] for other in self.cart):
                    line = self._line(item, quantity=1 + (rng.random() < 0.15) + (rng.random() < 0.05), like=line)
                    yield self._show(9_000, "add_to_cart", item.page_url, [line])
                    self.cart.append(line)
            if rng.random() < LEAVE_AFTER_ITEM:
                break
        if self.cart:
            yield from self._to_the_till()

    def refill(self) -> list[Step]:
        """Steps that put everything into the cart that is in it."""
        return [self._show(1_000, "add_to_cart", f"{URL}/cart", [line]) for line in self.cart]

    def _to_the_till(self) -> Iterator[Step]:
        rng = self._rng
        if rng.random() < VIEW_CART:
            yield self._show(6_000, "view_cart", f"{URL}/cart", self.cart)
        if rng.random() < REMOVE_LINE:
            line = rng.choice(self.cart)
            yield self._show(7_000, "remove_from_cart", f"{URL}/cart", [line])
            # A new list: the events sent before keep theirs.
            self.cart = [other for other in self.cart if other is not line]
        if not self.cart or rng.random() >= CHECK_OUT * VARIANT_CHECK_OUT[self.fields["variant_id"]]:
            return
        self.fields.setdefault("user_id", new_uuid(rng.ids))  # whoever is new makes an account at the till
        yield self._show(8_000, "begin_checkout", f"{URL}/checkout", self.cart)
        if rng.random() >= SHIPPING_GIVEN:
            return
        yield self._show(15_000, "add_shipping_info", f"{URL}/checkout/shipping", self.cart)
        if rng.random() >= PAYMENT_GIVEN:
            return
        payment_type = PAYMENTS.pick(rng)
        yield self._show(12_000, "add_payment_info", PAYMENT_URL, self.cart, payment_type=payment_type)
        while rng.random() < PAYMENT_FAILS:
            failed = self._show(4_000, "payment_failed", PAYMENT_URL, self.cart)
            amounts = {name: failed.fields[name] for name in ("value", "reporting_value")}
            why = {"payment_type": payment_type, "failure_reason": FAILURES.pick(rng)}
            yield self._go(4_000, "payment_failed", PAYMENT_URL, **why, **amounts)
            if rng.random() >= RETRY_PAYMENT:
                return
        yield from self._buy(payment_type)

    def _buy(self, payment_type: str) -> Iterator[Step]:
        rng = self._rng
        bought = self.cart
        order = {"transaction_id": new_uuid(rng.ids)}
        value = sum((line["price"] - line.get("discount", 0)) * line["quantity"] for line in bought)
        shipping = self._currency.price_step * 5
        bill = {"tax": round_half_up(value * self.country.tax_percent, 100), "shipping": shipping}
        if rng.random() < 0.08:
            bill |= {"shipping": 0, "coupon": "FREESHIP"}
        yield self._show(5_000, "purchase", f"{URL}/thanks", bought, payment_type=payment_type, **order, **bill)
        self.cart = []
        if rng.random() < REFUND:
            returned = bought if rng.random() < 0.6 else [rng.choice(bought)]
            after_ms = int((1 + 14 * rng.random()) * 60_000)
            yield self._show(0, "refund", f"{URL}/orders", returned, **order)._replace(after_ms=after_ms)

    def _arrive(self) -> Step:
        rng = self._rng
        where = rng.random()
        if where < 0.45:
            return self._go(0, "view_item_list", CATEGORY_URLS[pick_category(rng)])
        if where < 0.62:
            promotion = rng.choice(tuple(PROMOTIONS))
            return self._go(0, "view_promotion", f"{URL}/sale", promotion_name=promotion)
        item = pick_item(rng, pick_category(rng))
        if where < 0.75:
            return self._search(0, item)
        return self._show(0, "view_item", item.page_url, [self._line(item)])

    def _search(self, mean_ms: int, item: Item) -> Step:
        """A step in which an item is searched for by its name; things of its kind are found, unless it is mistyped."""
        name, mistyped = item.name.lower(), self._rng.random() < MISTYPED
        fields: dict[str, Any] = {"search_term": name[:-1] if mistyped else name}
        if self.fields["schema_version"] != OLD_VERSION:
            fields["search_results"] = 0 if mistyped else SEARCH_RESULTS[item.name]
        return self._go(mean_ms, "search", f"{URL}/search", **fields)

    def _go(self, mean_ms: int, event_name: str, page_url: str, **fields: Any) -> Step:
        """A step to a page, after the time that a shopper takes to think."""
        pages = {"page_url": page_url}
        if self.page_url is not None and self.page_url != page_url:
            pages["referrer"] = self.page_url
        self.page_url = page_url
        return Step(think_ms(self._rng.random(), mean_ms) if mean_ms else 0, event_name, pages | fields)

    def _show(self, mean_ms: int, event_name: str, page_url: str, items: list[Line], **fields: Any) -> Step:
        """A step about items, worth their sum."""
        value = reporting_value = 0
        for line in items:
            value += (line["price"] - line.get("discount", 0)) * line["quantity"]
            reporting_value += line["reporting_value"]
        return self._go(
            mean_ms, event_name, page_url, value=value, reporting_value=reporting_value, **fields, items=list(items)
        )

    def _line(self, item: Item, quantity: int = 1, like: Line | None = None) -> Line:
        """A line for `item`; `like` is another one whose variant it takes."""
        price = item.prices[self._currency.code]
        discount = 0
        if self.promoted and self.promoted[0] == item.category:
            discount = price * self.promoted[1] // 100
        line = {
            "item_id": item.item_id,
            "item_name": item.name,
            "item_brand": item.brand,
            "item_category": item.category,
            "item_variant": like["item_variant"] if like else self._rng.choice(item.variants),
            "price": price,
        }
        if discount:
            line["discount"] = discount
        line["quantity"] = quantity
        line["reporting_value"] = eur_cents((price - discount) * quantity, self._currency)
        return line


def pick_country(rng: random.Random, accumulated_load: tuple[float, ...]) -> Country:
    """A country, in proportion to how busy its shoppers are; the loads are accumulated in the order of COUNTRIES."""
    return COUNTRIES[bisect(accumulated_load, rng.random() * accumulated_load[-1])]
