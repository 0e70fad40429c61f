"""What a fault is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chaos.scene import Scene

RECOVERY_S = 30.0
CASSANDRA_RECOVERY_S = 60.0
Strike = Callable[[Scene], None]


@dataclass(frozen=True)
class Fault:
    """A fault, named like the function `strike`, which returns when the fault has ended.

    - happens, outcome, to_do: a line of the table in docs/operations.md
    - within_s: how soon after its end the stack is as it was
    - reported: a service, and a pattern that its log must have while the fault lasts or afterwards
    - rebuilds: whether Spark refuses to go on until somebody runs `make rebuild`, which the strike then does
    """

    name: str
    happens: str
    outcome: str
    to_do: str
    strike: Strike
    within_s: float
    reported: tuple[str, str]
    rebuilds: bool


FAULTS: dict[str, Fault] = {}


def fault(
    *,
    happens: str,
    outcome: str,
    reported: tuple[str, str],
    to_do: str = "nothing",
    within_s: float = RECOVERY_S,
    rebuilds: bool = False,
) -> Callable[[Strike], Strike]:
    """Enters a function into the list of faults; see `Fault`."""

    def enter(strike: Strike) -> Strike:
        name = strike.__name__
        FAULTS[name] = Fault(name, happens, outcome, to_do, strike, within_s, reported, rebuilds)
        return strike

    return enter


def table() -> str:
    """What happens, what the stack does, what you do: a Markdown table, as docs/operations.md has it."""
    lines = ["| what happens | what the stack does | what you do | fault |", "|---|---|---|---|"]
    lines += [f"| {f.happens} | {f.outcome} | {f.to_do} | `{f.name}` |" for f in FAULTS.values()]
    return "\n".join(lines)
