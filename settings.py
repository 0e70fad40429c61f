"""Every setting of the stack, read once from the environment into one frozen object.

A setting's name is the field's name in capitals (`kafka_port` is `KAFKA_PORT`). It is looked up in the environment,
then in an untracked `.env` beside this file, then the default here holds. Default, what is allowed and what it means
stand here and nowhere else: `make settings` writes `.env.example` and `docs/settings.md` from them. Standard library
only: the installer reads its ports here before anything is installed.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent
ENV_FILE = ROOT / ".env"
INSTALL = ROOT / ".local" / "install"
"""Virtual environments, jars and the MySQL server: shared by every stack of this checkout."""
DOMAINS = tuple(sorted(path.stem for path in (ROOT / "contracts").glob("*.yaml")))
"""The domains there are: each has a contract."""


class SettingError(ValueError):
    """A setting has a value that it can't have; the message names it and what is allowed."""


class Allowed(NamedTuple):
    """What a setting may be: as a check of its value, and in words; with what there is of that in this checkout."""

    check: Callable[[Any], bool]
    words: str
    there_are: Callable[[], Sequence[str]] = tuple


def setting(default: Any, meaning: str, allowed: Allowed) -> Any:
    """A field of Settings that explains itself."""
    return field(default=default, metadata={"meaning": meaning, "allowed": allowed})


def between(low: float, high: float) -> Allowed:
    return Allowed(lambda value: low <= value <= high, f"{low} to {high}")


def matching(pattern: str, words: str) -> Allowed:
    return Allowed(lambda text: re.fullmatch(pattern, text) is not None, words)


SWITCH = Allowed(lambda _: True, "true or false")  # what else there is can't be read as a bool
PORT = Allowed(lambda port: 1 <= port <= 65535, "a port, 1 to 65535")
SIZE = matching(r"[1-9][0-9]*[mg]", "a size such as 512m or 2g")
SHARE = between(0, 0.5)
PAUSE_MS = between(0, 60_000)
DAYS = between(1, 3650)
"""Ten years: Cassandra takes no more than twenty."""
_BYTE, _LABEL = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])", "(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST = rf"{_BYTE}(\.{_BYTE}){{3}}|({_LABEL}\.)*(?![0-9]+$){_LABEL}"
HOST = matching(_HOST, "a host name or an IPv4 address")
ADVERTISED = matching(rf"(?!0\.0\.0\.0$)({_HOST})", f"{HOST.words}, not 0.0.0.0")
"""Kafka and Cassandra tell it to their clients: it must lead them there."""
URL_OR_NONE = matching(r"(https?://[^\s/\"?#]+[^\s\"]*)?", "empty, or http(s)://host...")
SOCKET_URL = matching(r"wss?://[^\s/\"?#]+[^\s\"?#]*", "ws(s)://host...")
URL = matching(r"https?://[^\s/\"?#]+[^\s\"?#]*", "http(s)://host...")
ORIGINS = Allowed(
    lambda text: all(re.fullmatch(r"https?://[\w.-]+(:\d+)?", origin) for origin in text.split()),
    "empty, or origins like https://www.example.com, separated by spaces",
)
FOLDER = Allowed(
    # os.path says of what it may not look at that it is none.
    lambda text: re.fullmatch(r"(?!/+$)[A-Za-z0-9/._+@-]+", text) is not None and not os.path.isfile(ROOT / text),  # noqa: PTH113
    "a folder, but not /; its path has no characters but ASCII letters, digits and / . _ - + @",
)
"""The other characters mean something to one of those that are given the path: a space to supervisord, a comma to Kafka
and Spark, a question mark to SQLite, a colon to Docker; or nothing, as an umlaut to Java without a locale of UTF-8."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Durations carry their unit in the name; memory sizes are written as Java's -Xmx takes them."""

    runtime: str = setting(
        "auto",
        "What the stack runs in: containers, plain processes, or what has its data already",
        Allowed(lambda text: text in ("auto", "compose", "native"), "auto, compose or native"),
    )
    state_dir: str = setting(
        ".local/state", "Where data, logs, checkpoints and passwords lie; relative paths begin at the checkout", FOLDER
    )
    domains: tuple[str, ...] = setting(
        ("ecommerce",),
        "The domains that run side by side; a stack that was started keeps to its own until this is set",
        Allowed(
            lambda names: 0 < len(names) == len(set(names)) and set(names) <= set(DOMAINS),
            "names of files in contracts/, each once, with commas between them",
            lambda: DOMAINS,
        ),
    )

    kafka_host: str = setting("127.0.0.1", "The address at which Kafka listens", ADVERTISED)
    kafka_port: int = setting(19092, "Kafka's port", PORT)
    kafka_controller_port: int = setting(19093, "The port of Kafka's controller, for Kafka itself", PORT)
    kafka_partitions: int = setting(
        2, "Partitions of a topic of events, read side by side; they can only become more", between(1, 1024)
    )
    kafka_heap: str = setting("320m", "Java heap of Kafka", SIZE)
    kafka_retention_hours: int = setting(72, "How long Kafka keeps events", between(1, 87_600))

    cassandra_host: str = setting("127.0.0.1", "The address at which Cassandra listens", ADVERTISED)
    cassandra_port: int = setting(19042, "Cassandra's port", PORT)
    cassandra_storage_port: int = setting(17000, "Cassandra's port for other nodes, of which there are none", PORT)
    cassandra_heap: str = setting("640m", "Java heap of Cassandra", SIZE)
    cassandra_ttl_days: int = setting(30, "How long raw events are kept, and dead letters", DAYS)

    mysql_host: str = setting("127.0.0.1", "The address at which MySQL listens", HOST)
    mysql_port: int = setting(13306, "MySQL's port", PORT)
    mysql_retention_days: int = setting(3, "How long MySQL keeps rows of minutes", DAYS)
    mysql_hours_retention_days: int = setting(400, "How long MySQL keeps rows of hours", DAYS)

    superset_host: str = setting(
        "127.0.0.1", "The address at which Superset listens; in containers, its IPv4 address on this machine", HOST
    )
    superset_port: int = setting(8088, "Superset's port", PORT)
    superset_admin_user: str = setting(
        "admin",
        "Name of Superset's admin, who is made where there is none of this name",
        matching(r"[A-Za-z0-9._-]{1,64}", "at most 64 ASCII letters, digits and . _ -"),
    )
    superset_url: str = setting("", "Where links in alerts lead; without it to host and port", URL_OR_NONE)
    superset_public: bool = setting(False, "Whether everybody may look at the dashboards without a log-in", SWITCH)
    superset_embed_origins: str = setting("", "Whose pages may show the dashboards in a frame", ORIGINS)

    alert_webhook_url: str = setting("", "Where alerts are posted to; without it there are none", URL_OR_NONE)
    alert_quiet_minutes: int = setting(10, "An alert goes off after so many minutes without business", between(1, 1440))
    alert_reject_rate: float = setting(
        0.05,
        "An alert goes off above this share of rejected records, of the last 10 minutes",
        Allowed(lambda share: 0 <= share < 1, "0 to less than 1"),
    )
    alert_data_age_seconds: int = setting(120, "An alert goes off when the newest data are older", between(10, 86_400))
    alert_repeat_minutes: int = setting(30, "After how long an alert that lasts is posted again", between(0, 1440))

    producer_rate: float = setting(
        200.0,
        "Simulated events of each domain a second, in the mean over a day",
        Allowed(lambda rate: 0 < rate <= 1_000_000, "more than 0, at most 1000000"),
    )
    producer_duplicates: float = setting(0.01, "Share of events that are sent twice", SHARE)
    producer_conflicts: float = setting(0.0005, "Share of events under whose id something else is sent, too", SHARE)
    producer_reloads: float = setting(
        0.02, "Share of events that are sent again under another id, of those to which it happens", SHARE
    )
    producer_late: float = setting(0.02, "Share of events that are sent late", SHARE)
    producer_malformed: float = setting(0.002, "Share of events of which a damaged copy is sent, too", SHARE)
    producer_backfill_minutes: int = setting(45, "How long before the first start events begin", between(0, 60))
    producer_history_days: int = setting(
        7, "Days before the first start of which events may tell, in domains whose events can", between(0, 30)
    )

    market_feed: str = setting(
        "simulated",
        "Where the market's events come from: a simulation, or Binance's public streams, on an empty stack",
        Allowed(lambda text: text in ("simulated", "binance"), "simulated or binance"),
    )
    market_stream_url: str = setting(
        "wss://data-stream.binance.vision", "Where the market's live feed finds the exchange's streams", SOCKET_URL
    )
    market_rest_url: str = setting(
        "https://data-api.binance.vision", "Where it asks for candles of the time before, and for what it missed", URL
    )

    spark_master: str = setting(
        "local",
        "Where Spark's tasks run: in the job itself, or on a cluster",
        matching(r"local|spark://[\w.-]+:\d+", "local, or the address of a standalone master, spark://host:port"),
    )
    spark_driver_memory: str = setting("1g", "Java heap of the Spark job", SIZE)
    spark_aggregate_trigger_ms: int = setting(
        1000, "How often the aggregates' micro-batches begin; 0: without a pause", PAUSE_MS
    )
    spark_archive_trigger_ms: int = setting(
        5000, "How often the archive's micro-batches begin; 0: without a pause", PAUSE_MS
    )
    spark_max_offsets_per_trigger: int = setting(
        100_000, "Records that a micro-batch takes at most", Allowed(lambda records: records >= 1000, "at least 1000")
    )

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
        return ROOT.joinpath(self.state_dir, *parts)

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


KINDS: dict[str, tuple[Any, str]] = {
    "str": (str, "a text"),
    "int": (int, "an integer"),
    "float": (float, "a number"),
    "bool": (lambda text: {"true": True, "false": False}[text.lower()], "true or false"),
    "tuple[str, ...]": (lambda text: tuple(text.replace(",", " ").split()), "names with commas between them"),
}
"""Type of a setting -> how it is read, and what it is called."""


def _parse(name: str, kind: str, allowed: Allowed, text: str) -> Any:
    read, called = KINDS[kind]
    try:
        value = read(text)
    except (ValueError, KeyError):
        raise SettingError(f"{name}={text!r} is not {called}") from None
    if not allowed.check(value):
        there_are = f"; there are: {', '.join(found)}" if (found := allowed.there_are()) else ""
        raise SettingError(f"{name}={text!r} is not allowed: {allowed.words}{there_are}")
    return value


def read_env_file(path: Path) -> dict[str, str]:
    """`KEY=value` lines of a dotenv file, without its comments; empty when there is no such file."""
    if not path.exists():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if line and not line.startswith("#") and "=" in line)
    return {key.removeprefix("export ").strip(): value.strip().strip("\"'") for key, value in pairs}


RENAMED = {"ALERT_NO_ORDER_MINUTES": "ALERT_QUIET_MINUTES", "DOMAIN": "DOMAINS"}
"""Settings by the name that they had before: to ignore one would change what it was set for, without a word."""

ALL_BUT_THE_SAME = 0.85
"""How alike (difflib's ratio) a name is to a setting's of which it must be a misspelling."""


def meant(name: str) -> str | None:
    """The setting that is meant by a name of none: the nearest, where it begins with the same word or is all but the
    same. None for a setting's own name, and for one of another program's."""
    known = [f.name.upper() for f in fields(Settings)]
    begins_like_ours = name.upper().split("_")[0] in {ours.split("_")[0] for ours in known}
    near = get_close_matches(name.upper(), known, 1, 0 if begins_like_ours else ALL_BUT_THE_SAME)
    return near[0] if near and name not in known else None


def given(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What is set in the environment or, where it is not there, in `.env`; other programs' names are among it."""
    return {**read_env_file(ENV_FILE), **(os.environ if environment is None else environment)}


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment and `.env`. Raises SettingError for a value that is not allowed and, in `.env`, for
    a name by which a setting must be meant; in the environment it may be another program's."""
    texts = given(environment)
    for before, name in RENAMED.items():
        if before in texts:
            raise SettingError(f"{before} is called {name} now")
    for name in read_env_file(ENV_FILE):
        if nearest := meant(name):
            raise SettingError(f"{name} in .env is no setting (docs/settings.md lists them); the nearest is {nearest}")
    values = {
        f.name: _parse(f.name.upper(), str(f.type), f.metadata["allowed"], texts[f.name.upper()])
        for f in fields(Settings)
        if f.name.upper() in texts
    }
    return Settings(**values)


def as_environment(settings: Settings) -> dict[str, str]:
    """The environment variables that make `load` return these settings in another process."""
    return {f.name.upper(): _text(getattr(settings, f.name)) for f in fields(Settings)}


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
