"""The Spark job's sign of life: `python -m spark_jobs.heartbeat` ends with 0 when it works, else says what is wrong.

It looks at files only: the stores' drivers take longer to load than all the rest.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import settings as settings_module
from settings import Settings

FRESH_S = 15
LONGEST_BATCH_S = 60


def heartbeat(settings: Settings) -> Path:
    """A file that is touched twice a second while both queries of the domain run."""
    return settings.path("run", f"spark.{settings.domain}.alive")


def newest(folder: Path, now: float) -> tuple[int, float]:
    """The last micro-batch in a log of Spark's, and the age in seconds of its entry; (-1, 0) for an empty one."""
    number = max((int(entry.name) for entry in folder.glob("*") if entry.name.isdigit()), default=-1)
    return number, now - (folder / str(number)).stat().st_mtime if number >= 0 else 0.0


def missing(settings: Settings, now: float) -> str | None:
    """What keeps a domain from its work, `now` in seconds since the epoch; None when its queries run and commit the
    micro-batches that they begin."""
    alive = heartbeat(settings)
    if not alive.exists() or now - alive.stat().st_mtime > FRESH_S:
        return f"the queries of {settings.domain} do not run"
    for log in sorted((settings.checkpoints_dir / settings.domain).glob("*/spark")):
        name = f"{log.parent.name} of {settings.domain}"
        planned, age_seconds = newest(log / "offsets", now)
        committed, _ = newest(log / "commits", now)
        if committed < planned and age_seconds > LONGEST_BATCH_S:
            return f"{name} began micro-batch {planned} {age_seconds:.0f} s ago and has not committed it"
        if committed < 0:
            return f"{name} has committed nothing yet"
    return None


if __name__ == "__main__":
    wrong = [missing(of_domain, time.time()) for of_domain in settings_module.load().each()]
    sys.exit("; ".join(filter(None, wrong)) or None)
