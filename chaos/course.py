"""Which faults happen, in which order, and how long the shop goes on: the same seed gives the same course."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos import cassandra_faults, kafka_faults, loss_faults, mysql_faults, spark_faults, superset_faults
from chaos.fault import FAULTS, Fault
from chaos.invariants import Survived, acknowledged, recomputed, recovered, strike
from chaos.scene import Scene
from local.runtime import SERVERS
from local.throwaway import throwaway_stack

log = logging.getLogger(__name__)

ROOMS = (spark_faults, kafka_faults, cassandra_faults, mysql_faults, loss_faults, superset_faults)
"""Importing them has entered their faults into FAULTS."""

SERVICES = (*SERVERS, "spark", "producer")
REPORT_EVERY_S = 30.0


@dataclass(frozen=True)
class Round:
    """A part of the course, on a new stack: its faults in their order, and how many events it has at least."""

    number: int
    faults: tuple[Fault, ...]
    events: int


def plan(seed: int, count: int, events: int, rounds: int) -> list[Round]:
    """`count` faults in random order, spread over rounds, every fault at least once where there are enough.

    A fault after which everything is rebuilt happens once, early in a round, when there is little to rebuild; the
    others share what is left as evenly as it goes.
    """
    chance = random.Random(seed)  # noqa: S311 - the order of faults is no secret
    rebuilding = [fault for fault in FAULTS.values() if fault.rebuilds]
    rebuilding = chance.sample(rebuilding, min(len(rebuilding), count // 4))
    others = [fault for fault in FAULTS.values() if not fault.rebuilds]
    drawn: list[Fault] = []
    while len(drawn) < count - len(rebuilding):
        drawn += chance.sample(others, len(others))
    del drawn[count - len(rebuilding) :]
    return [
        Round(number, (*rebuilding[number::rounds], *drawn[number::rounds]), -(-events // rounds))
        for number in range(rounds)
    ]


def run(rounds: Sequence[Round], seed: int, rate: float, tell: Callable[[Survived], None]) -> Iterator[int]:
    """Runs the rounds; yields the records acknowledged in each, when every row of it was recomputed. Raises Broken."""
    for part in rounds:
        settings = {"producer_rate": rate, "producer_backfill_minutes": 0}
        services = (*SERVICES, *(["superset"] if FAULTS["superset_killed"] in part.faults else []))
        with throwaway_stack(services, **settings) as stack:
            scene = Scene(stack, random.Random(f"{seed}/{part.number}"), services)  # noqa: S311
            recovered(scene)
            for fault in part.faults:
                log.info("round %d: %s: %s", part.number + 1, fault.name, fault.happens)
                tell(strike(scene, fault))
            reach(scene, part.events)
            recomputed(scene)
            yield acknowledged(scene)


def reach(scene: Scene, events: int) -> None:
    """Waits until the shop has sent so many."""
    report_at = time.monotonic()
    while (sent := acknowledged(scene)) < events:
        if time.monotonic() > report_at:
            log.info("%d of %d events of this round are sent", sent, events)
            report_at += REPORT_EVERY_S
        time.sleep(1)
