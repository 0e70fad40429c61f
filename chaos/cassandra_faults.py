"""Faults of Cassandra. While it is away the archive waits, and the aggregates go on."""

from __future__ import annotations

import time

from chaos.fault import CASSANDRA_RECOVERY_S, fault
from chaos.scene import Scene

WAITS = "the archive waits, with growing pauses, and says so; the aggregates go on"
REPORTED = ("spark", r"outage for .*Cassandra")


@fault(
    happens="Cassandra is killed",
    outcome=WAITS,
    reported=REPORTED,
    within_s=CASSANDRA_RECOVERY_S,
)
def cassandra_killed(scene: Scene) -> None:
    scene.hold(0, 3)
    scene.stack.kill("cassandra")


@fault(
    happens="Cassandra is away for 60 s",
    outcome=WAITS,
    to_do="mend Cassandra",
    reported=REPORTED,
    within_s=CASSANDRA_RECOVERY_S,
)
def cassandra_down(scene: Scene) -> None:
    scene.stack.stop("cassandra")
    scene.hold(60, 60)
    scene.stack.start("cassandra")


@fault(
    happens="Cassandra stands still for 30 s: requests time out",
    outcome=WAITS,
    to_do="mend Cassandra",
    reported=REPORTED,
    within_s=CASSANDRA_RECOVERY_S,
)
def cassandra_timing_out(scene: Scene) -> None:
    with scene.frozen("cassandra"):
        scene.hold(30, 35)


@fault(
    happens="Cassandra is slow: it works for a tenth of the time",
    outcome="the archive's lag grows, and is caught up",
    to_do='nothing; a lag that stays is on the dashboard "Pipeline health"',
    reported=("spark", r""),
    within_s=CASSANDRA_RECOVERY_S,
)
def cassandra_slow(scene: Scene) -> None:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        with scene.frozen("cassandra"):
            time.sleep(0.9)
        time.sleep(0.1)
