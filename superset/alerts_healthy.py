"""Exit code 0 when the worker of the alerts has said lately that it waits for work, or has done some."""

import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where settings.py is

import settings

FRESH_S = 180  # its clock ticks once a minute


def alive(stack: settings.Settings) -> Path:
    """A file that is touched when the worker begins to wait for work, and after each of its tasks."""
    return stack.path("run", "alerts.alive")


def is_fresh(file: Path, now: float) -> bool:
    """`now` in seconds since the epoch."""
    return file.exists() and now - file.stat().st_mtime <= FRESH_S


if __name__ == "__main__":
    sys.exit(None if is_fresh(alive(settings.load()), time.time()) else "its worker does not run")
