"""A chart of one figure, as a dashboard's page asks for it, from Superset."""

from __future__ import annotations

import sys

from settings import ROOT, Settings

sys.path.append(str(ROOT / "superset"))  # no package: it would hide Superset's own

import healthy

EVENTS = {"label": "events", "expressionType": "SQL", "sqlExpression": "COALESCE(SUM(events), 0)"}


class Chart:
    """A metric over all that a dataset of the domain has."""

    def __init__(self, settings: Settings, dataset: str, metric: str | dict) -> None:
        """Lets the admin in. Raises urllib.error.URLError."""
        self._settings = settings
        self._token = healthy.log_in(settings)
        self._dataset = healthy.dataset(settings, self._token, dataset)
        self._metric = metric

    def read(self) -> float:
        """Asks anew, past Superset's cache. Raises urllib.error.URLError."""
        query = {"metrics": [self._metric]}
        [figure] = healthy.chart_row(self._settings, self._token, self._dataset, query, force=True).values()
        return figure


def events(settings: Settings) -> Chart:
    """All events of the domain that were counted so far."""
    return Chart(settings, "lateness_by_minute", EVENTS)


def age_seconds(settings: Settings) -> Chart:
    """How old the domain's newest data are, by MySQL's clock."""
    return Chart(settings, "freshness", "age_seconds")
