"""Alerts: what their files become, when they are switched on, and what their log keeps to itself."""

from __future__ import annotations

import logging
import os
from dataclasses import fields, replace

import pytest

from local.native.preflight import memory_needed_mb
from local.native.stack import Stack
from local.runtime import SERVICES, switched_on
from settings import Settings
from tests.dashboards import alerts_healthy, alerts_worker, assets, load_alerts

OFF = Settings()
ON = replace(OFF, alert_webhook_url="https://hooks.example/services/T0/secret?key=1")
WANTED = load_alerts.wanted(ON)


def test_the_service_is_there_only_with_an_address(tmp_path) -> None:
    assert set(SERVICES) - set(switched_on(OFF)) == {"alerts"}
    assert switched_on(ON) == tuple(SERVICES)
    assert "alerts" not in [row.name for row in Stack(replace(OFF, state_dir=str(tmp_path))).status()]
    assert "alerts" in [row.name for row in Stack(replace(ON, state_dir=str(tmp_path))).status()]
    assert memory_needed_mb(ON) > memory_needed_mb(OFF)


def test_no_alert_is_wanted_without_an_address() -> None:
    assert load_alerts.wanted(OFF) == {}


def test_every_domain_has_the_pipeline_s_alerts() -> None:
    assert set(WANTED) == {"ecommerce/reject_rate", "ecommerce/data_age", "ecommerce/no_order"}
    both = load_alerts.wanted(replace(ON, domains=("ecommerce", "other")))
    assert set(both) == {*WANTED, "other/reject_rate", "other/data_age"}
    assert {key: both[key] for key in WANTED} == WANTED
    assert len({alert["name"] for alert in both.values()}) == len(both)
    assert both["other/data_age"]["dashboard"] == f"{WANTED['ecommerce/data_age']['dashboard']}-other"


@pytest.mark.parametrize("alert", WANTED.values(), ids=list(WANTED))
def test_an_alert_goes_to_the_address_and_leads_to_a_dashboard(alert: dict) -> None:
    assert alert["recipients"] == [{"type": "Webhook", "recipient_config_json": {"target": ON.alert_webhook_url}}]
    assert alert["dashboard"] in assets.read(ON.domain).dashboards
    assert "{" not in alert["name"] + alert["description"]


def test_a_bound_is_what_the_setting_says() -> None:
    alert = load_alerts.wanted(replace(ON, alert_quiet_minutes=7, alert_repeat_minutes=2))["ecommerce/no_order"]
    assert alert["validator_config_json"] == {"op": ">=", "threshold": 7}
    assert alert["name"] == "No order for 7 minutes"
    assert alert["grace_period"] == 120


def test_every_bound_is_used() -> None:
    bounds = {field.name for field in fields(Settings) if field.name.startswith("alert_")}
    used = {name for name in bounds if load_alerts.wanted(replace(ON, **{name: another(name)})) != WANTED}
    assert used == bounds


def another(name: str) -> object:
    """Another value of a setting."""
    return "http://127.0.0.1/" if name == "alert_webhook_url" else getattr(ON, name) + 1


@pytest.mark.parametrize(
    "message",
    [
        "Webhook sent to https://hooks.example/services/T0/secret?key=1, status code: 200",
        "HTTPSConnectionPool(host='hooks.example'): Max retries exceeded with url: /services/T0/secret?key=1",
    ],
)
def test_the_log_does_not_tell_the_address(message: str) -> None:
    formatter = alerts_worker.Discreet(ON.alert_webhook_url)
    try:
        raise OSError(message)
    except OSError as error:
        record = logging.LogRecord("", logging.INFO, "", 0, message, None, (OSError, error, error.__traceback__))
    assert "secret" not in formatter.format(record)


def test_an_address_without_a_path_leaves_the_log_readable() -> None:
    record = logging.LogRecord("", logging.INFO, "", 0, "GET /a/b", None, None)
    assert alerts_worker.Discreet("http://127.0.0.1:9/").format(record).endswith("GET /a/b")


def test_the_worker_works_while_its_sign_of_life_is_fresh(tmp_path) -> None:
    alive = alerts_healthy.alive(replace(ON, state_dir=str(tmp_path)))
    assert not alerts_healthy.is_fresh(alive, 1000)
    alive.parent.mkdir()
    alive.touch()
    os.utime(alive, (1000, 1000))
    assert alerts_healthy.is_fresh(alive, 1000 + alerts_healthy.FRESH_S)
    assert not alerts_healthy.is_fresh(alive, 1001 + alerts_healthy.FRESH_S)
