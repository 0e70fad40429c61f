"""What a course gave, as docs/reliability.md shows it."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.fault import FAULTS
from chaos.invariants import Survived


def table(survived: Sequence[Survived]) -> str:
    """A line a fault: how often, how long it lasted, how soon the stack had recovered, in Markdown."""
    lines = ["| fault | times | lasted, s | recovered after, s: median | most | allowed |", "|---|--:|--:|--:|--:|--:|"]
    for fault in FAULTS.values():
        if times := [one for one in survived if one.fault == fault]:
            recovered = sorted(one.recovered_s for one in times)
            lasted = max(one.lasted_s for one in times)
            median = recovered[len(recovered) // 2]
            lines.append(
                f"| `{fault.name}` | {len(times)} | {lasted:.0f} | {median:.1f} | {recovered[-1]:.1f} | "
                f"{fault.within_s:.0f} |"
            )
    return "\n".join(lines)


def summary(survived: Sequence[Survived], rounds: Sequence[int], seed: int, seconds: float) -> str:
    """The figures of the whole course. Only a course without loss, double or cent off comes to its end."""
    late = [one for one in survived if not one.in_time]
    return (
        f"seed {seed}: {len(survived)} faults survived over {sum(rounds)} records in {seconds / 60:.0f} minutes: "
        "0 lost, 0 doubled, 0 cents off; every row of every table was recomputed from Cassandra at the end of "
        f"{len(rounds)} round{'s' if len(rounds) > 1 else ''}; {len(late)} recoveries took longer than allowed"
    )
