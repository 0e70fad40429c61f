"""From a domain, a seed, a start and a rate to the records that are sent to Kafka. No clock, no network."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import contracts
from producer import domains
from producer.faults import Faults, Rates, inject
from producer.records import MS_PER_DAY, Course, Dice, Event, Record, Strikes, never, rfc3339


@dataclass(frozen=True)
class Simulation:
    """What decides every byte of the records. Another simulation, another set of event ids.

    What happens follows from the seed, the rates and the time of day: a simulation that starts at the same time of
    another day, or is told its `daytime`, does the same with other ids.
    """

    domain: str
    seed: int
    start: datetime
    """First moment of which events are sent, with its time zone."""
    rate: float
    """Events a second, in the mean over a day; duplicates and malformed copies come on top."""
    rates: Rates
    daytime: time | None = None
    """The time of day (UTC) that it is there at the start, which decides how busy it is; by default its own."""
    history: timedelta = timedelta()
    """The time before the start of which there may be told as well, by events that occur at the start."""

    @property
    def start_ms(self) -> int:
        return round(self.start.timestamp() * 1000)

    @property
    def identity(self) -> str:
        """The same for the same records, and only for them."""
        history = f" history={self.history}" if self.history else ""
        return f"{self.course} start={rfc3339(self.start_ms)}{history}"

    @property
    def day_ms(self) -> int:
        """The time of day at the start, in milliseconds."""
        if self.daytime is None:
            return self.start_ms % MS_PER_DAY
        return (self.daytime.hour * 60 + self.daytime.minute) * 60_000

    @property
    def course(self) -> str:
        """The same for simulations in which the same happens."""
        return f"seed={self.seed} daytime={self.day_ms} rate={self.rate!r} {self.rates}"


def simulate(simulation: Simulation, events: int | None = None, strikes: Strikes = never) -> Iterator[Record]:
    """The records in the order in which they are sent; endless, or until `events` distinct valid events are sent.

    Those N events are records of the kinds `event` and `late`; the duplicates and malformed copies of them come on top.
    The same simulation gives the same records, byte for byte; a larger `events` lengthens them. Where an incident
    strikes, what it is about fails; what else happens stays as it is.
    """
    module = domains.load(simulation.domain)
    faults = Faults(
        contracts.load(simulation.domain),
        simulation.rates,
        getattr(module, "damage", lambda _fields: {}),
        getattr(module, "RELOADED", ()),
    )
    rng = random.Random(f"faults {simulation.course}")  # noqa: S311 - nothing here is a secret
    return inject(first(events, happenings(simulation, strikes)), faults, rng)


def happenings(simulation: Simulation, strikes: Strikes = never) -> Iterator[Event]:
    """What happens from the start on, in order; endless."""
    dice = Dice(simulation.course, simulation.identity)
    history_ms = simulation.history // timedelta(milliseconds=1)
    course = Course(dice, simulation.start_ms, simulation.day_ms, simulation.rate, strikes, history_ms)
    return domains.load(simulation.domain).events(course)


def first(number: int | None, happened: Iterator[Event]) -> Iterator[Event]:
    """So many events that are not the same as one before, with those that are; all where no number is given."""
    for event in happened:
        if number == 0 and not event.again:
            return
        if number is not None and not event.again:
            number -= 1
        yield event
