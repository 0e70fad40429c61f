"""Faults of Superset, which nothing of the pipeline waits for."""

from __future__ import annotations

from chaos.fault import fault
from chaos.scene import Scene


@fault(
    happens="Superset is killed",
    outcome="it is started again; the pipeline goes on meanwhile",
    reported=("superset", r"Listening at"),
)
def superset_killed(scene: Scene) -> None:
    scene.stack.kill("superset")
