"""Exit code 0 when each domain's ledger was written to lately, as it is with each batch of records that Kafka
acknowledged; `make verify` may hold it a while. Says which ones were not."""

from __future__ import annotations

import sys
import time

import settings as stack
from producer import domains
from settings import Settings

FRESH_S = 15


def is_written(settings: Settings, now: float) -> bool:
    """Whether a domain's ledger, or the log of what is new in it, changed lately; `now` in seconds since the epoch."""
    files = settings.ledger_path.parent.glob(f"{settings.ledger_path.name}*")
    return any(now - file.stat().st_mtime <= FRESH_S for file in files)


def main() -> int:
    simulated = (each for each in stack.load().each() if domains.is_there(each.domain))
    still = [each.domain for each in simulated if not is_written(each, time.time())]
    if still:
        print(f"no events of {', '.join(still)} for {FRESH_S} s")  # noqa: T201 - what the health check says
    return 1 if still else 0


if __name__ == "__main__":
    sys.exit(main())
