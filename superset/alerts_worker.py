"""Runs the alerts: a Celery worker that also keeps the clock.

    venv-superset/bin/python superset/alerts_worker.py

It needs the tables and alerts that boot.py makes. Exit code 78 where alerts are switched off.
"""

import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where settings.py is

import alerts_healthy

import settings


class Discreet(logging.Formatter):
    """Keeps the webhook's address out of the log: who knows it may often post there."""

    def __init__(self, url: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self.hidden = [text for text in (url, path) if text.strip("/")]  # errors have the path alone, too

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for hidden in self.hidden:
            text = text.replace(hidden, "(ALERT_WEBHOOK_URL)")
        return text


def keep_the_clock(app: Any) -> None:
    """Puts what is due into the queue; ends the process when it can't, so that it is started again."""
    from celery.beat import Scheduler, Service

    try:
        Service(app, max_interval=1, scheduler_cls=Scheduler).start()
    finally:
        logging.getLogger("superset.alerts_worker").critical("the clock has stopped", exc_info=True)
        os._exit(1)


def main() -> None:
    stack = settings.load()
    if not stack.alert_webhook_url:
        sys.stderr.write("alerts are switched off: ALERT_WEBHOOK_URL is empty\n")
        sys.exit(os.EX_CONFIG)
    alive = alerts_healthy.alive(stack)
    alive.parent.mkdir(parents=True, exist_ok=True)
    alive.unlink(missing_ok=True)  # at once: an earlier worker's would be taken for this one's
    os.environ["SUPERSET_CONFIG_PATH"] = str(settings.ROOT / "superset" / "superset_config.py")
    from celery.signals import setup_logging, task_postrun, worker_ready
    from superset.tasks.celery_app import app, teardown

    # Superset's own closes a database session that the task's application context has closed, and logs that it can't.
    task_postrun.disconnect(teardown)

    @worker_ready.connect(weak=False)
    def ready(**_: Any) -> None:
        threading.Thread(target=keep_the_clock, args=(app,), daemon=True).start()
        alive.touch()

    @task_postrun.connect(weak=False)
    def done(**_: Any) -> None:
        alive.touch()

    @setup_logging.connect(weak=False)
    def log(**_: Any) -> None:  # in place of Celery's own
        for handler in logging.getLogger().handlers:
            handler.setFormatter(Discreet(stack.alert_webhook_url))

    # Solo: a query and a request at a time, in this process.
    app.worker_main(["worker", "--pool=solo", "--without-gossip", "--without-mingle", "--loglevel=INFO"])


if __name__ == "__main__":
    main()
