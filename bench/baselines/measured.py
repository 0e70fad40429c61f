"""How a baseline tells how fast it was."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from stores.offsets import Offsets, from_json

WARM_UP = 0.25
"""The share of the records before the clock starts: JVMs get warm, connections are made."""


@dataclass(frozen=True)
class Measured:
    """Records that went through, and the seconds that they took."""

    records: int
    seconds: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


class Clock:
    """Starts when the first WARM_UP of all records are through."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.begun: tuple[int, float] | None = None

    def at(self, done: int) -> None:
        """Told how many records are through."""
        if self.begun is None and done >= WARM_UP * self.records:
            self.begun = done, time.monotonic()

    def stopped(self) -> Measured:
        """All are through. Raises ValueError where the clock never started."""
        if self.begun is None:
            raise ValueError("the clock never started")
        done, since = self.begun
        return Measured(self.records - done, time.monotonic() - since)


def main(drain: Callable[[Offsets], Measured]) -> None:
    """Runs a baseline as a program: offsets as JSON in, Measured as JSON out."""
    sys.stdout.write(json.dumps(asdict(drain(from_json(sys.argv[1])))) + "\n")
