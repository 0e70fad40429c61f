"""All visits to the shop, side by side: when they begin, and what happens next."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from itertools import chain, count

from producer.domains.ecommerce.load_curve import COUNTRY_LOAD, LOAD, MINUTES_PER_DAY
from producer.domains.ecommerce.shoppers import EVENTS_PER_VISIT, LONGEST_VISIT_MS, Step, Visit, pick_country
from producer.records import Dice

WARM_UP_EVENTS = 200_000
"""At most so many events are simulated, unseen, before the start: some seconds of work. Above 660 events/s they don't
reach as far back as the longest visit, and the first minutes have somewhat fewer purchases."""


def steps(rng: Dice, start_ms: int, rate: float) -> Iterator[tuple[int, Visit, Step]]:
    """The steps of all visits from the start on, merged by time; times are those of the shop's day, in milliseconds.

    Visits begin as a Poisson process whose rate follows the load. The shop is open before the start already, so that
    visits of every age are under way when the first event is sent. Nobody has seen them fill their carts: who has one
    by then fills it once more, so that in what is sent a purchase buys what was put into the cart.
    """
    visits_per_ms = rate / EVENTS_PER_VISIT / 1000
    next_visit_ms = start_ms - min(LONGEST_VISIT_MS, WARM_UP_EVENTS / rate * 1000)
    under_way: list[tuple[int, int, Visit, Iterator[Step], Step]] = []
    carts_unseen: set[int] = set()
    numbers = count()
    while True:
        minute = int(next_visit_ms) // 60_000 % MINUTES_PER_DAY
        next_visit_ms += rng.expovariate(visits_per_ms * LOAD[minute])
        while under_way and under_way[0][0] < next_visit_ms:
            at_ms, number, visit, steps, step = under_way[0]
            if at_ms < start_ms:
                if step.event_name == "add_to_cart":
                    carts_unseen.add(number)
                elif step.event_name == "purchase":
                    steps = iter(())  # nobody has seen the order either: no refund of it
            else:
                if number in carts_unseen:
                    carts_unseen.remove(number)
                    steps = chain(visit.refill(), [step._replace(after_ms=1000)], steps)
                    step = next(steps)
                yield at_ms, visit, step
            following = next(steps, None)
            if following is None:
                heappop(under_way)
            else:
                heapreplace(under_way, (at_ms + following.after_ms, number, visit, steps, following))
        visit = Visit(rng, pick_country(rng, COUNTRY_LOAD[minute]))
        steps = visit.steps()
        heappush(under_way, (int(next_visit_ms), next(numbers), visit, steps, next(steps)))
