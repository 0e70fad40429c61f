"""Alerts as code: makes Superset's alerts what the files in `alerts/` say, `pipeline.yaml` and each domain's own."""

import json
import logging
from typing import Any

import assets
import yaml

import settings

FOLDER = settings.ROOT / "superset" / "alerts"
LOG_RETENTION_DAYS = 7
WORKING_TIMEOUT_S = 60
"""A run that was killed keeps the next ones from starting for this long."""
OURS = "tillstream"
"""Key in an alert's `extra` that says from which entry of our files it was made: users' own have none."""

log = logging.getLogger("superset.load_alerts")


def wanted(stack: settings.Settings) -> dict[str, dict[str, Any]]:
    """Key -> what the alert is, in the words of Superset's API; `dashboard` is a slug, `database` a name. Empty when
    switched off."""
    if not stack.alert_webhook_url:
        return {}
    alerts = {}
    for domain in stack.domains:
        for part in (assets.EVERY_DOMAIN, domain):
            path = FOLDER / f"{part}.yaml"
            file = yaml.safe_load(path.read_text()) if path.exists() else {"alerts": {}}
            plain = part == domain or domain == stack.domains[0]
            for name, entry in file["alerts"].items():
                key = f"{domain}/{name}"
                made = alert(stack, key, entry)
                made |= {"dashboard": assets.slug(file["dashboard"], domain, plain), "database": domain}
                alerts[key] = made if plain else made | {"name": f"{made['name']} ({domain})"}
    return alerts


def alert(stack: settings.Settings, key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """One alert, without what only Superset's tables know: dashboard, database and owners."""
    bound = getattr(stack, entry["bound"]) if isinstance(entry["bound"], str) else entry["bound"]
    return {
        "type": "Alert",
        "name": entry["name"].format(bound=bound),
        "description": entry["description"].format(bound=bound),
        "active": True,
        "crontab": "* * * * *",
        "timezone": "UTC",
        "sql": entry["sql"],
        "validator_type": "operator",
        "validator_config_json": {"op": entry["operator"], "threshold": bound},
        "report_format": "TEXT",  # of a dashboard: the text alone, nothing that a browser would have to draw
        "creation_method": "alerts_reports",
        "recipients": [{"type": "Webhook", "recipient_config_json": {"target": stack.alert_webhook_url}}],
        "grace_period": stack.alert_repeat_minutes * 60,
        "working_timeout": WORKING_TIMEOUT_S,
        "log_retention": LOG_RETENTION_DAYS,
        "extra": {OURS: key},
    }


def load_alerts(stack: settings.Settings, owner: Any) -> None:
    """Creates, puts right and removes our alerts; call it in Superset's application, as the owner."""
    from superset import db
    from superset.commands.report.create import CreateReportScheduleCommand
    from superset.commands.report.delete import DeleteReportScheduleCommand
    from superset.commands.report.update import UpdateReportScheduleCommand
    from superset.models.core import Database
    from superset.models.dashboard import Dashboard
    from superset.reports.models import ReportSchedule

    there = {
        json.loads(schedule.extra_json)[OURS]: schedule.id
        for schedule in db.session.query(ReportSchedule).filter(ReportSchedule.extra_json.contains(f'"{OURS}"'))
    }
    alerts = wanted(stack)
    if gone := [number for key, number in there.items() if key not in alerts]:
        DeleteReportScheduleCommand(gone).run()
    if not alerts:
        return
    for key, values in alerts.items():
        database = db.session.query(Database).filter_by(database_name=values["database"]).one().id
        dashboard = db.session.query(Dashboard).filter_by(slug=values["dashboard"]).one().id
        values = {**values, "dashboard": dashboard, "database": database, "owners": [owner.id]}
        if key in there:
            UpdateReportScheduleCommand(there[key], values).run()
        else:
            CreateReportScheduleCommand(values).run()
    log.info("alerts: %s", ", ".join(alerts))
