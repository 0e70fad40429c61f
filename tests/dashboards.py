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


def rendered(sql: str, since: str | None = None, until: str | None = None) -> str:
    """SQL as Superset has it for a time range. What stands between its braces is Python as well as Jinja."""
    minutes_from = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=load().mysql_retention_days)
    known = {**grain.macros(lambda: minutes_from), "from_dttm": since, "to_dttm": until}
    return re.sub(r"\{\{ (.*?) \}\}", lambda found: str(eval(found[1], known)), sql, flags=re.DOTALL)  # noqa: S307 (our own files)
