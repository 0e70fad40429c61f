"""Settings: parsing, and their example file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import settings
from settings import (
    RENAMED,
    ROOT,
    SettingError,
    Settings,
    as_environment,
    load,
    read_env_file,
)


def test_the_example_lists_every_setting_with_its_default() -> None:
    assert read_env_file(ROOT / ".env.example") == as_environment(Settings())


def test_settings_survive_the_way_through_an_environment() -> None:
    given = Settings(
        kafka_port=1234, producer_rate=1.5, domains=("ecommerce",), state_dir="/srv/x", superset_public=True
    )
    assert load(as_environment(given)) == given


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# mine\nKAFKA_PORT=1111\nMYSQL_PORT='2222'\n")
    loaded = load({"KAFKA_PORT": "3333"})
    assert (loaded.kafka_port, loaded.mysql_port) == (3333, 2222)


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("KAFKA_PORT", "many", "an integer"),
        ("KAFKA_PORT", "70000", "1 to 65535"),
        ("PRODUCER_RATE", "fast", "a number"),
        ("PRODUCER_RATE", "0", "more than 0"),
        ("PRODUCER_RATE", "nan", "more than 0"),
        ("PRODUCER_LATE", "0.6", "0 to 0.5"),
        ("RUNTIME", "docker", "auto, compose or native"),
        ("DOMAINS", "markt", "ecommerce"),
        ("DOMAINS", "ecommerce,ecommerce", "several"),
        ("DOMAINS", "", "ecommerce"),
        ("CASSANDRA_HEAP", "1 GB", "512m or 2g"),
        ("SUPERSET_PUBLIC", "perhaps", "true or false"),
        ("SUPERSET_URL", "analytics.example", "http"),
        ("SUPERSET_EMBED_ORIGINS", "https://shop.example/page", "origins"),
        ("SUPERSET_EMBED_ORIGINS", "*", "origins"),
        ("ALERT_WEBHOOK_URL", "hooks.example", "http"),
        ("ALERT_QUIET_MINUTES", "0", "1 to 1440"),
        ("ALERT_REJECT_RATE", "1", "0 to less than 1"),
        ("ALERT_DATA_AGE_SECONDS", "1", "10 to 86400"),
        ("ALERT_REPEAT_MINUTES", "-1", "0 to 1440"),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(SettingError, match=rf"{name}='{re.escape(text)}' is not.*{allowed}"):
        load({name: text})


def test_domains_run_side_by_side_and_each_has_settings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DOMAINS", ("a", "b", "c"))
    both = load({"DOMAINS": "b, a"})
    assert both.domains == ("b", "a")
    assert as_environment(both)["DOMAINS"] == "b,a"
    assert [each.events_topic for each in both.each()] == ["b.events", "a.events"]
    assert both.one("a") == load({"DOMAINS": "a"}).one() == both.each()[1]
    with pytest.raises(SettingError, match="there is no domain 'c' here; there are: b, a"):
        both.each("c")
    with pytest.raises(SettingError, match="add --domain b or --domain a"):
        both.one()


@pytest.mark.parametrize(("before", "name"), RENAMED.items())
def test_a_setting_under_its_old_name_is_refused_with_the_new_one(before: str, name: str) -> None:
    with pytest.raises(SettingError, match=f"{before} is called {name} now"):
        load({before: "5"})
