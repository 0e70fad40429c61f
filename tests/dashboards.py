"""The dashboards' and alerts' files as the tests read them: by the code that Superset gets them from."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from settings import ROOT, load

sys.path.append(str(ROOT / "superset"))  # no package: it would hide Superset's own

import alerts_healthy
import alerts_worker
import assets
import grain
import load_alerts
import named

__all__ = [
    "PIPELINE",
    "alerts",
    "alerts_healthy",
    "alerts_worker",
    "assets",
    "grain",
    "load_alerts",
    "named",
    "rendered",
    "selected",
    "sources",
]


PIPELINE = {path.stem for path in (assets.FOLDER / assets.EVERY_DOMAIN / "dashboards").glob("*.yaml")}
"""Dashboards of what the pipeline does, which every domain has."""


def rendered(sql: str, since: str | None = None, until: str | None = None, reach: grain.Reach | None = None) -> str:
    """SQL as Superset has it for a time range, where MySQL has this, or minutes as long as they are kept. What stands
    between its braces is Python as well as Jinja."""
    if reach is None:
        minutes_from = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=load().mysql_retention_days)
        reach = grain.Reach(minutes_from, minutes_from)
    known = {**grain.macros(lambda: reach), "named": named.named, "from_dttm": since, "to_dttm": until, "columns": []}
    return re.sub(r"\{\{ (.*?) \}\}", lambda found: str(eval(found[1], known)), sql, flags=re.DOTALL)  # noqa: S307 (our own files)


def selected(dataset: Mapping[str, Any], since: str | None = None, until: str | None = None) -> str:
    """What a dataset is selected from, in SQL."""
    return f"({rendered(dataset['sql'], since, until)}) AS dataset" if "sql" in dataset else dataset["table_name"]


def alerts(domain: str) -> Iterator[tuple[str, str]]:
    """The SQL of a domain's alerts, those of every domain and its own, with the file and the name of each."""
    for path in (load_alerts.FOLDER / f"{stem}.yaml" for stem in (assets.EVERY_DOMAIN, domain)):
        for name, alert in yaml.safe_load(path.read_text())["alerts"].items() if path.exists() else ():
            yield f"superset/alerts/{path.name}: {name}", alert["sql"]


def sources(domain: str) -> list[str]:
    """All SQL by which Superset reads a domain's database."""
    files = assets.read(domain)
    return [*(selected(assets.dataset(files, name)) for name in files.datasets), *(sql for _, sql in alerts(domain))]
