"""The dashboards' and alerts' files as the tests read them: by the code that Superset gets them from."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta

from settings import ROOT, load

sys.path.append(str(ROOT / "superset"))  # no package: it would hide Superset's own

import alerts_worker
import assets
import grain
import load_alerts

__all__ = ["alerts_worker", "assets", "grain", "load_alerts", "rendered"]


def rendered(sql: str, since: str | None = None, until: str | None = None, reach: grain.Reach | None = None) -> str:
    """SQL as Superset has it for a time range, where MySQL has this, or minutes as long as they are kept. What stands
    between its braces is Python as well as Jinja."""
    if reach is None:
        minutes_from = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=load().mysql_retention_days)
        reach = grain.Reach(minutes_from, minutes_from)
    known = {**grain.macros(lambda: reach), "from_dttm": since, "to_dttm": until, "columns": []}
    return re.sub(r"\{\{ (.*?) \}\}", lambda found: str(eval(found[1], known)), sql, flags=re.DOTALL)  # noqa: S307 (our own files)
