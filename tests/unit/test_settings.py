"""Settings: how they are read, and that each is checked and explains itself."""

from __future__ import annotations

import re
from dataclasses import Field, fields
from pathlib import Path

import pytest

import settings
from settings import RENAMED, ROOT, SettingError, Settings, as_environment, load, read_env_file


def test_the_example_lists_every_setting_with_its_default() -> None:
    assert read_env_file(ROOT / ".env.example") == as_environment(Settings())


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_every_setting_says_what_it_means_and_allows_its_default(field: Field) -> None:
    meaning, allowed = field.metadata["meaning"], field.metadata["allowed"]
    assert re.fullmatch(r"[A-Z][^|\n]+[^.|\n]", meaning)
    assert "|" not in allowed.words
    assert allowed.check(field.default)


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
        ("DOMAINS", "markt", "files in contracts/.*; there are: ecommerce"),
        ("DOMAINS", "ecommerce,ecommerce", "each once"),
        ("DOMAINS", "", "files in contracts/"),
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
        ("MARKET_FEED", "kraken", "simulated or binance"),
        ("MARKET_STREAM_URL", "https://stream.example", "ws"),
        ("MARKET_STREAM_URL", "wss://stream.example/ws?a=b", "ws"),
        ("MARKET_REST_URL", "file:///etc/passwd", "http"),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(name: str, text: str, allowed: str) -> None:
    with pytest.raises(SettingError, match=rf"{name}='{re.escape(text)}' is not.*{allowed}"):
        load({name: text})


# What is refused would break something: a server's own configuration, an address, a path.
REFUSED = {
    "STATE_DIR": ("", "/", "//", "a b", "a,b", "a:b", 'a"b', "a\nb", "a?b", "~/x", "50%", "ä", "settings.py"),
    "KAFKA_HOST": ("0.0.0.0", "kafka:9092"),  # noqa: S104
    "CASSANDRA_HOST": ("0.0.0.0", "http://db"),  # noqa: S104
    "MYSQL_HOST": ("", "::1", "db:3306", "300.1.1.1", "1.2.3", "-x", "a..b", "a b"),
    "SUPERSET_HOST": ("127.0.0.1:8088",),
    "SUPERSET_ADMIN_USER": ("", "ann lee", "ann@example.com", "ännchen", "a" * 65),
    "KAFKA_HEAP": ("0m", "m", "1.5g", "512"),
    "KAFKA_RETENTION_HOURS": ("0", "87601"),
    "CASSANDRA_TTL_DAYS": ("0", "8000"),
    "MYSQL_RETENTION_DAYS": ("0", "1000000"),
    "SPARK_MAX_OFFSETS_PER_TRIGGER": ("10",),
}
ALLOWED = {
    "STATE_DIR": (".", "../state", "/srv/shop-1/a_b.c", "/home/Ann/job@2/c++", "not/there"),
    "KAFKA_HOST": ("192.168.100.200",),
    "MYSQL_HOST": ("localhost", "db-1.example.com", "my_db", "10.0.0.7", "0.0.0.0", "1.example"),  # noqa: S104
    "SUPERSET_ADMIN_USER": ("Ann.Lee-2_x",),
    "SUPERSET_URL": ("", "https://www.example.com/shop"),
    "SUPERSET_EMBED_ORIGINS": ("", "https://www.example.com http://10.0.0.7:8080"),
}


def each_of(texts: dict[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(name, text) for name in texts for text in texts[name]]


@pytest.mark.parametrize(("name", "text"), each_of(REFUSED))
def test_what_would_break_something_is_refused(name: str, text: str) -> None:
    with pytest.raises(SettingError, match=re.escape(f"{name}={text!r} is not allowed: ")):
        load({name: text})


@pytest.mark.parametrize(("name", "text"), each_of(ALLOWED))
def test_what_works_is_allowed(name: str, text: str) -> None:
    assert getattr(load({name: text}), name.lower()) == text


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("KAFKA_PROT", "KAFKA_PORT"),
        ("KAKFA_PORT", "KAFKA_PORT"),
        ("kafka_port", "KAFKA_PORT"),
        ("PRODUCER_EVENTS_PER_SECOND", "PRODUCER_"),
        ("ALERTS_WEBHOOK_URL", "ALERT_WEBHOOK_URL"),
        ("RUN_TIME", "RUNTIME"),
    ],
)
def test_a_misspelt_setting_of_the_file_is_refused_with_the_nearest(tmp_path: Path, name: str, nearest: str) -> None:
    (tmp_path / ".env").write_text(f"{name}=1\n")
    with pytest.raises(SettingError, match=rf"{name} in .env is no setting .*; the nearest is {nearest}"):
        load({})


def test_other_programs_have_variables_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "COMPOSE_PROJECT_NAME=mine\nDOCKER_HOST=tcp://x\nHTTPS_PROXY=x\nJAVA_HOME=/x\nTZ=UTC\n"
    )
    assert load({"KAFKA_PROT": "1", "SPARK_HOME": "/opt/spark", "MYSQL_PWD": "x"}) == Settings()


def test_a_line_of_the_file_may_be_one_for_a_shell(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("export KAFKA_PORT=1111\n")
    assert load({}).kafka_port == 1111


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
