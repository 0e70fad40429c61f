"""What must be so after every fault.

- I1: every event that Kafka acknowledged is in exactly one of Cassandra and the dead letter
- I2: MySQL is what is in Cassandra, to the cent
- I3: what went wrong was reported
- I4: the stack is as it was within its bound
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from audit.verify import Verdict, verify
from chaos.fault import Fault
from chaos.scene import Scene, Watch
from local.native import readiness
from producer.ledger import Ledger
from stores.kafka import end_offsets
from stores.retry import retry

LOOK_EVERY_S = 0.3
LATEST_S = 300.0
"""What takes longer is not waited for."""


class Broken(AssertionError):  # noqa: N818 - it says what was found
    """An invariant does not hold; the message says which and how."""


@dataclass(frozen=True)
class Survived:
    """A fault after which the stack was exact, and how soon it was as before (I4)."""

    fault: Fault
    lasted_s: float
    recovered_s: float
    verdict: Verdict

    @property
    def in_time(self) -> bool:
        return self.recovered_s <= self.fault.within_s


def acknowledged(scene: Scene) -> int:
    return Ledger.read(scene.settings.ledger_path).acknowledged


def strike(scene: Scene, fault: Fault) -> Survived:
    """Lets the fault happen, and checks the invariants; whether I4 holds is told. Raises Broken for the others."""
    service, pattern = fault.reported
    size = scene.log_size(service)
    began = time.monotonic()
    fault.strike(scene)
    ended = time.monotonic()
    recovered(scene)
    recovered_s = time.monotonic() - ended
    if not scene.has_logged(service, size, pattern):
        raise Broken(f"I3: {fault.name}: the log of {service} has nothing like {pattern!r}")
    verdict = verify(scene.settings, LATEST_S)
    if not verdict.exact:
        raise Broken(f"I1 or I2: {fault.name}: {verdict}; " + "; ".join(verdict.differences))
    return Survived(fault, ended - began, recovered_s, verdict)


def recovered(scene: Scene) -> None:
    """Waits until both queries have passed what is in Kafka now, the producer sends, and all services work.

    Raises Broken after LATEST_S.
    """
    settings, until = scene.settings, time.monotonic() + LATEST_S
    before = acknowledged(scene)
    ends = retry(lambda: end_offsets(settings), "Kafka", LATEST_S)
    with Watch(settings) as watch:
        steps = (
            lambda: watch.behind(ends),
            lambda: None if acknowledged(scene) > before else "the producer sends nothing",
            *(partial(readiness.missing, name, settings) for name in scene.services),
        )
        for missing in steps:
            while (what := missing()) is not None:
                if time.monotonic() > until:
                    raise Broken(f"I4: not recovered after {LATEST_S:.0f} s: {what}")
                time.sleep(LOOK_EVERY_S)


def recomputed(scene: Scene) -> None:
    """I2 for every row of every table: compares them with a recomputation from Cassandra. Raises Broken."""
    if scene.stack.rebuild("--check") != 0:
        raise Broken("I2: MySQL differs from the recomputation; the log above says where")
