"""Every setting of the stack, read once from the environment into one frozen object.

A setting's name is the field's name in capitals (`kafka_port` is `KAFKA_PORT`). It is looked up in the environment,
then in an untracked `.env` beside this file, then the default here holds. `.env.example` lists them all and a test
keeps the two equal. Standard library only: the installer reads its ports here before anything is installed.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
ENV_FILE = ROOT / ".env"
INSTALL = ROOT / ".local" / "install"
"""Virtual environments, jars and the MySQL server: shared by every stack of this checkout."""
DOMAINS = tuple(sorted(path.stem for path in (ROOT / "contracts").glob("*.yaml")))
"""The domains there are: each has a contract."""


class SettingError(ValueError):
    """A setting has a value that it can't have; the message names it and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Durations carry their unit in the name; memory sizes are written as Java's -Xmx takes them."""

    runtime: str = "auto"
    state_dir: str = ".local/state"
    domains: tuple[str, ...] = ("ecommerce",)

    kafka_host: str = "127.0.0.1"
    kafka_port: int = 19092
    kafka_controller_port: int = 19093
    kafka_partitions: int = 2
    kafka_heap: str = "320m"
    kafka_retention_hours: int = 72

    cassandra_host: str = "127.0.0.1"
    cassandra_port: int = 19042
    cassandra_storage_port: int = 17000
    cassandra_heap: str = "640m"
    cassandra_ttl_days: int = 30

    mysql_host: str = "127.0.0.1"
    mysql_port: int = 13306
    mysql_retention_days: int = 3
    mysql_hours_retention_days: int = 400

    superset_host: str = "127.0.0.1"
    superset_port: int = 8088
    superset_admin_user: str = "admin"
    superset_url: str = ""
    superset_public: bool = False
    superset_embed_origins: str = ""

    alert_webhook_url: str = ""
    alert_quiet_minutes: int = 10
    alert_reject_rate: float = 0.05
    alert_data_age_seconds: int = 120
    alert_repeat_minutes: int = 30

    producer_rate: float = 200.0
    producer_duplicates: float = 0.01
    producer_conflicts: float = 0.0005
    producer_reloads: float = 0.02
    producer_late: float = 0.02
    producer_malformed: float = 0.002
    producer_backfill_minutes: int = 45

    spark_master: str = "local"
    spark_driver_memory: str = "1g"
    spark_aggregate_trigger_ms: int = 1000
    spark_archive_trigger_ms: int = 5000
    spark_max_offsets_per_trigger: int = 100_000

    @property
    def domain(self) -> str:
        """The domain, of settings that are of one: `each` makes them."""
        [domain] = self.domains
        return domain

    def each(self, domain: str | None = None) -> list[Settings]:
        """The settings of each domain alone, or of the one that is named. Raises SettingError where it is not there."""
        if domain is not None and domain not in self.domains:
            raise SettingError(f"there is no domain {domain!r} here; there are: {', '.join(self.domains)}")
        return [replace(self, domains=(name,)) for name in self.domains if domain in (None, name)]

    def one(self, domain: str | None = None) -> Settings:
        """The settings of the domain that is named, or of the only one. Raises SettingError."""
        found = self.each(domain)
        if len(found) > 1:
            raise SettingError(f"there are several domains: add --domain {' or --domain '.join(self.domains)}")
        return found[0]

    def path(self, *parts: str) -> Path:
        """A path inside the stack's state folder."""
        base = Path(self.state_dir)
        return (base if base.is_absolute() else ROOT / base).joinpath(*parts)

    @property
    def kafka(self) -> str:
        """The bootstrap server, `host:port`."""
        return f"{self.kafka_host}:{self.kafka_port}"

    @property
    def superset(self) -> str:
        """Where Superset is to be found in a browser, `http://host:port`."""
        return f"http://{self.superset_host}:{self.superset_port}"

    @property
    def events_topic(self) -> str:
        return f"{self.domain}.events"

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.domain}.dead_letter"

    @property
    def checkpoints_dir(self) -> Path:
        return self.path("checkpoints")

    @property
    def ledger_path(self) -> Path:
        """The producer's ledger of acknowledged events, an SQLite file."""
        return self.path("ledger", f"{self.domain}.sqlite")


def domain_option() -> argparse.ArgumentParser:
    """A parent of parsers whose command is about domains: its value goes to `Settings.each` or `Settings.one`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--domain", help="of those in DOMAINS this one alone")
    return parser


ADDRESS = r"https?://[^\s/\"?#]+[^\s\"]*"
ADDRESS_OR_NONE = (lambda v: re.fullmatch(rf"({ADDRESS})?", v) is not None, "empty, or http(s)://host...")
ORIGIN = r"https?://[\w.-]+(:\d+)?"

ALLOWED: dict[str, tuple[Any, str]] = {
    "runtime": (lambda v: v in ("auto", "compose", "native"), "auto, compose or native"),
    "domains": (
        lambda v: v and len(set(v)) == len(v) and set(v) <= set(DOMAINS),
        f"one of {', '.join(DOMAINS)}, or several with commas between them",
    ),
    "kafka_partitions": (lambda v: 1 <= v <= 1024, "1 to 1024"),
    "producer_rate": (lambda v: 0 < v <= 1_000_000, "more than 0 and at most 1000000 events/s"),
    "producer_duplicates": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "producer_conflicts": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "producer_reloads": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "producer_late": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "producer_malformed": (lambda v: 0 <= v <= 0.5, "0 to 0.5"),
    "producer_backfill_minutes": (lambda v: 0 <= v <= 60, "0 to 60"),
    "spark_master": (
        lambda v: re.fullmatch(r"local|spark://[\w.-]+:\d+", v) is not None,
        "local, or the address of a standalone master, spark://host:port",
    ),
    "spark_aggregate_trigger_ms": (lambda v: 0 <= v <= 60_000, "0 to 60000"),
    "spark_archive_trigger_ms": (lambda v: 0 <= v <= 60_000, "0 to 60000"),
    "spark_max_offsets_per_trigger": (lambda v: v >= 1000, "at least 1000"),
    "superset_url": ADDRESS_OR_NONE,
    "superset_embed_origins": (
        lambda v: all(re.fullmatch(ORIGIN, origin) for origin in v.split()),
        "empty, or origins like https://www.example.com, separated by spaces",
    ),
    "alert_webhook_url": ADDRESS_OR_NONE,
    "alert_quiet_minutes": (lambda v: 1 <= v <= 1440, "1 to 1440"),
    "alert_reject_rate": (lambda v: 0 <= v < 1, "0 to less than 1"),
    "alert_data_age_seconds": (lambda v: 10 <= v <= 86_400, "10 to 86400"),
    "alert_repeat_minutes": (lambda v: 0 <= v <= 1440, "0 to 1440"),
    "mysql_retention_days": (lambda v: v >= 1, "at least 1"),
    "mysql_hours_retention_days": (lambda v: v >= 1, "at least 1"),
    "cassandra_ttl_days": (lambda v: v >= 1, "at least 1"),
    "kafka_retention_hours": (lambda v: v >= 1, "at least 1"),
}


KINDS: dict[str, tuple[Any, str]] = {
    "str": (str, "a text"),
    "int": (int, "an integer"),
    "float": (float, "a number"),
    "bool": (lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
    "tuple[str, ...]": (lambda text: tuple(text.replace(",", " ").split()), "names with commas between them"),
}
"""Type of a setting -> how it is read, and what it is called."""


def _parse(name: str, kind: str, text: str) -> Any:
    try:
        value = KINDS[kind][0](text)
    except (ValueError, KeyError):
        raise SettingError(f"{name.upper()}={text!r} is not {KINDS[kind][1]}") from None
    allowed = ALLOWED.get(name)
    if name.endswith("_port"):
        allowed = (lambda v: 1 <= v <= 65535, "a port, 1 to 65535")
    if name.endswith(("_heap", "_memory")):
        allowed = (lambda v: v[:-1].isdigit() and v[-1] in "mg", "a size such as 512m or 2g")
    if allowed and not allowed[0](value):
        raise SettingError(f"{name.upper()}={text!r} is not allowed: {allowed[1]}")
    return value


def read_env_file(path: Path) -> dict[str, str]:
    """`KEY=value` lines of a dotenv file, without its comments; empty when there is no such file."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#") and "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


RENAMED = {"ALERT_NO_ORDER_MINUTES": "ALERT_QUIET_MINUTES", "DOMAIN": "DOMAINS"}
"""Settings by the name that they had before: to ignore one would change what it was set for, without a word."""


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and `.env`; raises SettingError for a value that is not allowed."""
    given = {**read_env_file(ENV_FILE), **(os.environ if environment is None else environment)}
    for before, name in RENAMED.items():
        if before in given:
            raise SettingError(f"{before} is called {name} now")
    values = {
        f.name: _parse(f.name, str(f.type), given[f.name.upper()]) for f in fields(Settings) if f.name.upper() in given
    }
    return Settings(**values)


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment variables that make `load` return these settings in another process."""
    return {f.name.upper(): _text(getattr(settings, f.name)) for f in fields(Settings)}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
