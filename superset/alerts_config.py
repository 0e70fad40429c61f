"""What superset_config.py adds where alerts are switched on: how they are scheduled and sent."""

from datetime import timedelta

from celery.schedules import crontab

import settings

_settings = settings.load()

ALERT_REPORTS_WEBHOOK_HTTPS_ONLY = _settings.alert_webhook_url.startswith("https:")
# Links in alerts lead here.
WEBDRIVER_BASEURL_USER_FRIENDLY = _settings.superset_url or _settings.superset
# A look that has waited for a minute is dropped, for the next one is there: behind a webhook that does not answer they
# would pile up. Superset also reckons from it when the look was due.
CELERY_BEAT_SCHEDULER_EXPIRES = timedelta(minutes=1)

# One process keeps the clock and does the work (alerts_worker.py): its memory is all the queue that it needs.
CELERY_CONFIG = {
    "broker_url": "memory://localhost/",
    "imports": ("superset.tasks.scheduler",),
    "task_ignore_result": True,
    "task_annotations": {"reports.execute": {"expires": CELERY_BEAT_SCHEDULER_EXPIRES.total_seconds()}},
    "worker_enable_remote_control": False,
    "beat_schedule": {
        "reports.scheduler": {
            "task": "reports.scheduler",
            "schedule": crontab(),
            "options": {"expires": CELERY_BEAT_SCHEDULER_EXPIRES.total_seconds()},
        },
        # Drops what is older than the alert's log_retention.
        "reports.prune_log": {"task": "reports.prune_log", "schedule": crontab(minute="30")},
    },
}
