"""A simulated shop: from a seed, a start and a rate to the records that are sent to Kafka. No clock, no network."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from heapq import heappop, heappush, heapreplace
from itertools import chain, count, islice

from producer.faults import Event, Rates, Record, rfc3339, send
from producer.incident import Refuses
from producer.load_curve import COUNTRY_LOAD, LOAD, MINUTES_PER_DAY
from producer.payment_outage import through_outage
from producer.shoppers import EVENTS_PER_VISIT, LONGEST_VISIT_MS, Dice, Step, Visit, new_uuid, pick_country

MS_PER_DAY = MINUTES_PER_DAY * 60_000

WARM_UP_EVENTS = 200_000
"""At most so many events are simulated, unseen, before the start: some seconds of work. Above 660 events/s they don't
reach as far back as the longest visit, and the first minutes have somewhat fewer purchases."""


@dataclass(frozen=True)
class Simulation:
    """What decides every byte of the records. Another simulation, another set of event ids.

    What happens in the shop follows from the seed, the rates and the time of day: a shop that starts at the same time
    of another day, or is told its `daytime`, does the same with other ids.
    """

    seed: int
    start: datetime
    """First moment of which events are sent, with its time zone."""
    rate: float
    """Events a second, in the mean over a day; duplicates and malformed copies come on top."""
    rates: Rates
    daytime: time | None = None
    """The time of day (UTC) that the shop has at the start, which decides how busy it is; by default its own."""

    @property
    def start_ms(self) -> int:
        return round(self.start.timestamp() * 1000)

    @property
    def identity(self) -> str:
        """The same for the same records, and only for them."""
        return f"{self.course} start={rfc3339(self.start_ms)}"

    @property
    def day_ms(self) -> int:
        """The shop's time of day at the start, in milliseconds."""
        if self.daytime is None:
            return self.start_ms % MS_PER_DAY
        return (self.daytime.hour * 60 + self.daytime.minute) * 60_000

    @property
    def course(self) -> str:
        """The same for simulations in which the same happens."""
        return f"seed={self.seed} daytime={self.day_ms} rate={self.rate!r} {self.rates}"


def never(_country: str, _at_ms: int) -> bool:
    """Refuses no payment."""
    return False


def simulate(simulation: Simulation, events: int | None = None, refuses: Refuses = never) -> Iterator[Record]:
    """The records in the order in which they are sent; endless, or until `events` distinct valid events are sent.

    Those N events are records of the kinds `event` and `late`; the duplicates and malformed copies of them come on top.
    The same simulation gives the same records, byte for byte; a larger `events` lengthens them. Where `refuses` says
    so, payments fail; what else happens stays as it is.
    """
    happened = happenings(simulation, Dice(simulation.course, simulation.identity))
    faults = random.Random(f"faults {simulation.course}")  # noqa: S311 - nothing here is a secret
    return send(islice(through_outage(happened, refuses), events), simulation.rates, faults)


def happenings(simulation: Simulation, rng: Dice) -> Iterator[Event]:
    """What shoppers do from the start on, in order; endless."""
    since_midnight_ms = simulation.start_ms - simulation.day_ms
    for at_ms, visit, step in _steps(rng, simulation.day_ms, simulation.rate):
        yield _event(rng, since_midnight_ms + at_ms, visit, step)


def _event(rng: Dice, at_ms: int, visit: Visit, step: Step) -> Event:
    fields = {
        "event_id": new_uuid(rng.ids),
        "event_name": step.event_name,
        "occurred_at": rfc3339(at_ms),
        "sent_at": "",  # known when it is sent; here to stand beside occurred_at
        **visit.fields,
        **step.fields,
    }
    return Event(at_ms, visit.key, fields)


def _steps(rng: Dice, start_ms: int, rate: float) -> Iterator[tuple[int, Visit, Step]]:
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
