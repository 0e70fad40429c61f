"""A chart as a dashboard's page asks for it, from Superset."""

from __future__ import annotations

import sys

from settings import ROOT, Settings

sys.path.append(str(ROOT / "superset"))  # no package: it would hide Superset's own

import healthy

DATASET = "lateness_by_minute"
EVENTS = {"label": "events", "expressionType": "SQL", "sqlExpression": "COALESCE(SUM(events), 0)"}


class EventsChart:
    """All events that were counted so far, as one big number."""

    def __init__(self, settings: Settings) -> None:
        """Lets the admin in. Raises urllib.error.URLError."""
        self._settings = settings
        self._token = healthy.log_in(settings)
        self._dataset = healthy.dataset(settings, self._token, DATASET)

    def events(self) -> int:
        """Asks anew, past Superset's cache. Raises urllib.error.URLError."""
        row = healthy.chart_row(self._settings, self._token, self._dataset, {"metrics": [EVENTS]}, force=True)
        return int(row["events"])
