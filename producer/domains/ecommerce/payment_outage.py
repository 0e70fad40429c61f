"""What shoppers do while their payments are refused: they try again, or give up, as after any other failed payment.

It happens to the events of the simulation, after they were made, and takes nothing from its stream of random numbers:
all other events stay byte for byte what they are without an incident.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Any

from producer.domains.ecommerce.shoppers import PAYMENT_URL, RETRY_PAYMENT, think_ms
from producer.records import Event, Strikes, new_uuid, rfc3339

FAILS = 0.97
"""Part of the attempts that fail: of a provider that is down, some servers still answer."""
REASON = "gateway_timeout"
BETWEEN_ATTEMPTS_MS = 4_000
"""In the mean."""


def through_outage(events: Iterable[Event], refuses: Strikes) -> Iterator[Event]:
    """`events` in order, with failed payments in place of the purchases that are refused.

    A shopper who tries again has the same order when it succeeds at last. Of an order that came to nothing there is no
    refund.
    """
    trying: list[tuple[int, int, Event, random.Random]] = []
    """The next attempts: (at_ms, number, purchase, random numbers of this purchase alone)."""
    numbers = count()
    unpaid: set[str] = set()
    for event in events:
        while trying and trying[0][0] <= event.occurred_ms:
            at_ms, _, purchase, rng = heappop(trying)
            if refuses(purchase.fields["country"], at_ms) and rng.random() < FAILS:
                yield _failed(purchase, at_ms, rng)
                if rng.random() < RETRY_PAYMENT:
                    again_ms = at_ms + think_ms(rng.random(), BETWEEN_ATTEMPTS_MS)
                    heappush(trying, (again_ms, next(numbers), purchase, rng))
            else:
                unpaid.discard(purchase.fields["transaction_id"])
                yield _at(purchase, at_ms)
        name = event.fields["event_name"]
        if name == "purchase" and refuses(event.fields["country"], event.occurred_ms):
            unpaid.add(event.fields["transaction_id"])
            rng = random.Random(event.fields["event_id"])  # noqa: S311 (nothing here is a secret)
            heappush(trying, (event.occurred_ms, next(numbers), event, rng))
        elif name != "refund" or event.fields["transaction_id"] not in unpaid:
            yield event


def _at(purchase: Event, at_ms: int) -> Event:
    return purchase._replace(occurred_ms=at_ms, fields=purchase.fields | {"occurred_at": rfc3339(at_ms)})


OF_THE_ORDER = ("transaction_id", "tax", "shipping", "coupon", "items", "referrer")
"""Fields of a purchase that a failed payment does not have. It happens where the shopper is already: no referrer."""


def _failed(purchase: Event, at_ms: int, rng: random.Random) -> Event:
    fields: dict[str, Any] = {name: value for name, value in purchase.fields.items() if name not in OF_THE_ORDER}
    fields |= {
        "event_id": new_uuid(rng),
        "event_name": "payment_failed",
        "occurred_at": rfc3339(at_ms),
        "page_url": PAYMENT_URL,
        "failure_reason": REASON,
    }
    return purchase._replace(occurred_ms=at_ms, fields=fields)
