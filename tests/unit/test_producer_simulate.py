"""The simulated shop: the same seed gives the same bytes, and what comes out looks like a shop."""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import islice, pairwise

import pytest

import contracts
from producer.domains.ecommerce.countries import COUNTRIES
from producer.domains.ecommerce.currency import CURRENCIES, eur_cents
from producer.domains.ecommerce.load_curve import LOAD, day_rate
from producer.domains.ecommerce.shop import CATEGORIES, ITEMS
from producer.domains.ecommerce.shoppers import EVENTS_PER_VISIT, Visit
from producer.faults import Rates
from producer.records import Dice, Record
from producer.simulate import Simulation, simulate

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SHOP = Simulation("ecommerce", seed=7, start=START, rate=100.0, rates=Rates(duplicates=0.01, late=0.02, malformed=0.01))
EVENTS = 60_000


@cache
def records() -> list[Record]:
    return list(simulate(SHOP, EVENTS))


@cache
def events() -> list[dict]:
    """The distinct valid events in the order in which they occurred."""
    found = [json.loads(record.value) for record in records() if record.kind in ("event", "late")]
    return sorted(found, key=lambda event: event["occurred_at"])


def by_session() -> dict[str, list[dict]]:
    sessions = defaultdict(list)
    for event in events():
        sessions[event["session_id"]].append(event)
    return sessions


def test_the_same_simulation_gives_the_same_records_byte_for_byte():
    assert list(simulate(SHOP, 3_000)) == list(simulate(SHOP, 3_000))


@pytest.mark.parametrize(
    "other",
    [
        replace(SHOP, seed=8),
        replace(SHOP, start=START + timedelta(milliseconds=1)),
        replace(SHOP, rate=101.0),
        replace(SHOP, rates=Rates()),
    ],
    ids=["seed", "start", "rate", "faults"],
)
def test_another_simulation_shares_no_event_id(other):
    ids = {json.loads(record.value)["event_id"] for record in simulate(other, 500) if record.kind == "event"}
    assert ids.isdisjoint(event["event_id"] for event in events())


def happened(simulation: Simulation) -> list[dict]:
    """What happens, without ids, and times since the start."""
    found = []
    for record in simulate(simulation, 2_000):
        if record.kind in ("event", "late"):
            event = json.loads(record.value)
            ids = {"event_id", "session_id", "transaction_id", "user_id", "anonymous_id", "occurred_at", "sent_at"}
            known = {name: value for name, value in event.items() if name not in ids}
            found.append({**known, "at_ms": record.at_ms - simulation.start_ms})
    return found


@pytest.mark.parametrize(
    "other",
    [
        replace(SHOP, start=START + timedelta(days=3)),
        replace(SHOP, start=START + timedelta(hours=9, minutes=17, seconds=3), daytime=time(12)),
    ],
    ids=["another day", "another time of day"],
)
def test_at_one_time_of_day_the_same_happens_under_other_ids(other):
    assert happened(other) == happened(SHOP)
    assert other.identity != SHOP.identity
    first, second = (next(iter(simulate(shop, 1))) for shop in (SHOP, other))
    assert first.value != second.value


def test_at_another_time_of_day_something_else_happens():
    assert happened(replace(SHOP, daytime=time(4))) != happened(SHOP)


def test_more_events_only_lengthen_the_stream():
    without_late = replace(SHOP, rates=Rates())
    assert list(simulate(without_late, 500)) == list(islice(simulate(without_late, 900), 500))


def test_every_event_is_sent_once_and_in_order():
    assert len(events()) == EVENTS
    assert len({event["event_id"] for event in events()}) == EVENTS
    assert all(before.at_ms <= after.at_ms for before, after in pairwise(records()))


def test_events_have_the_fields_and_types_of_the_contract():
    fields = {field.name: field for field in contracts.load("ecommerce").fields}
    required = {field.name for field in fields.values() if field.required}
    item_fields = {field.name: field for field in fields["items"].items}
    names = set()
    for event in events():
        names.add(event["event_name"])
        assert required <= event.keys() <= fields.keys()
        for line in event.get("items", []):
            assert {field.name for field in item_fields.values() if field.required} <= line.keys() <= item_fields.keys()
    assert names == set(fields["event_name"].allowed)


def test_senders_of_both_versions_say_what_their_version_has():
    versions = Counter(event["schema_version"] for event in events())
    assert versions.keys() == {1, contracts.load("ecommerce").version}
    assert versions[1] > EVENTS / 50
    searches = [event for event in events() if event["event_name"] == "search"]
    assert all(("search_results" in event) == (event["schema_version"] > 1) for event in searches)


def test_values_are_the_sums_of_their_items():
    with_items = [event for event in events() if "items" in event]
    assert with_items
    for event in with_items:
        currency = CURRENCIES[event["currency"]]
        value = 0
        for line in event["items"]:
            amount = (line["price"] - line.get("discount", 0)) * line["quantity"]
            assert line["reporting_value"] == eur_cents(amount, currency)
            value += amount
        assert event["value"] == value
        assert event["reporting_value"] == sum(line["reporting_value"] for line in event["items"])


def test_a_purchase_buys_exactly_what_is_in_the_cart():
    """Holds from the first event on: also for those who had a cart before the stream began."""
    purchases = 0
    for session in by_session().values():
        cart: list[dict] = []
        for event in session:
            match event["event_name"]:
                case "add_to_cart":
                    cart += event["items"]
                case "remove_from_cart":
                    for line in event["items"]:
                        cart.remove(line)
                case "view_cart" | "begin_checkout" | "add_shipping_info" | "add_payment_info":
                    assert event["items"] == cart
                case "purchase":
                    assert event["items"] == cart
                    cart = []
                    purchases += 1
    assert purchases > 100


def test_refunds_give_back_lines_of_their_order():
    orders = {e["transaction_id"]: e["items"] for e in events() if e["event_name"] == "purchase"}
    refunds = [event for event in events() if event["event_name"] == "refund"]
    assert refunds
    for refund in refunds:
        assert all(line in orders[refund["transaction_id"]] for line in refund["items"])


def test_records_state_what_they_are_worth():
    for record in records():
        event = json.loads(record.value) if record.kind in ("event", "late") else {}
        has_one = event.get("event_name") in ("purchase", "refund")
        assert record.amount == (event["reporting_value"] if has_one else 0)


def test_the_first_minute_is_like_the_others():
    """The shop is at its steady state when the first event is sent."""
    minutes = defaultdict(Counter)
    for event in events():
        minutes[event["occurred_at"][:16]][event["event_name"]] += 1
    first, *others = [minutes[minute] for minute in sorted(minutes)][:-1]
    for name, tolerance in (("purchase", 0.5), ("view_item", 0.1), ("begin_checkout", 0.45)):
        mean = sum(minute[name] for minute in others) / len(others)
        assert first[name] == pytest.approx(mean, rel=tolerance), name


def test_the_rate_follows_the_load_curve():
    per_minute = Counter(event["occurred_at"][:16] for event in events())
    full = [per_minute[minute] for minute in sorted(per_minute)][:-1]
    load = LOAD[START.hour * 60 + START.minute]
    assert sum(full) / len(full) / 60 == pytest.approx(SHOP.rate * load, rel=0.06)


def test_the_load_curve_has_the_mean_1_and_a_moderate_amplitude():
    assert sum(LOAD) / len(LOAD) == pytest.approx(1)
    assert 0.5 < min(LOAD) < 0.7
    assert 1.2 < max(LOAD) < 1.5


@pytest.mark.parametrize(("minute", "minutes"), [(0, 1), (600, 60), (1430, 60), (100, 1440)])
def test_a_shop_can_have_a_rate_at_a_time_of_day(minute: int, minutes: int):
    loads = [LOAD[at % 1440] for at in range(minute, minute + minutes)]
    start = datetime(2026, 11, 22, tzinfo=UTC) + timedelta(minutes=minute)
    assert day_rate(2000, start, minutes) * sum(loads) / minutes == pytest.approx(2000)


def test_events_per_visit_is_as_stated():
    rng = Dice("visits", "ids")
    steps = sum(sum(1 for _ in Visit(rng, COUNTRIES[number % len(COUNTRIES)]).steps()) for number in range(20_000))
    assert steps / 20_000 == pytest.approx(EVENTS_PER_VISIT, rel=0.03)


def test_the_funnel_narrows_to_three_or_four_percent():
    sessions = by_session()
    reached = {
        name: sum(any(event["event_name"] == name for event in session) for session in sessions.values())
        / len(sessions)
        for name in ("view_item", "add_to_cart", "begin_checkout", "add_payment_info", "purchase")
    }
    shares = list(reached.values())
    assert shares == sorted(shares, reverse=True), reached
    assert 0.028 < reached["purchase"] < 0.042, reached


def test_popularity_is_skewed_and_shoppers_return():
    views = Counter(event["items"][0]["item_id"] for event in events() if event["event_name"] == "view_item")
    tenth = sum(count for _, count in views.most_common(len(views) // 10))
    assert tenth > 0.35 * views.total()
    sessions = {session[0]["session_id"]: session[0].get("user_id") for session in by_session().values()}
    visits = Counter(user for user in sessions.values() if user)
    assert visits.most_common(1)[0][1] >= 3


def test_the_catalogue_has_its_size_and_distinct_items():
    items = [item for category in CATEGORIES for item in ITEMS[category]]
    assert len(CATEGORIES) == 8
    assert len({item.item_id for item in items}) == len(items) == 512
    assert all(price > 0 for item in items for price in item.prices.values())


def test_every_country_source_and_device_appears():
    seen = {name: {event.get(name) for event in events()} for name in ("country", "utm_source", "device", "currency")}
    assert seen["country"] == {country.code for country in COUNTRIES}
    assert seen["currency"] == set(CURRENCIES)
    assert seen["device"] == {"desktop", "mobile", "tablet"}
    assert seen["utm_source"] == {None, "google", "facebook", "instagram", "newsletter", "affiliate", "bing"}
