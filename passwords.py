"""The stack's passwords and keys: generated at the first start, each a file of mode 0600 in the state folder.

Standard library only, as settings.py: in containers a bare Python makes them.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from settings import SettingError, Settings

NAMES = (
    "mysql_root",
    "mysql_spark",
    "mysql_superset",
    "mysql_reader",
    "cassandra_admin",
    "cassandra_spark",
    "cassandra_reader",
    "cassandra_auditor",
    "superset_admin",
    "superset_secret_key",
)


def folder(settings: Settings) -> Path:
    """Where they lie: a file each, by its name."""
    return settings.path("secrets")


def read(settings: Settings, name: str) -> str:
    """The password of that name; raises SettingError when it has not been generated yet."""
    if name not in NAMES:
        raise SettingError(f"there is no secret {name!r}; there are: {', '.join(NAMES)}")
    try:
        return (folder(settings) / name).read_text().strip()
    except FileNotFoundError:
        raise SettingError(f"the secret {name!r} is missing in {folder(settings)}: run 'make up' once") from None


def generate(settings: Settings) -> list[str]:
    """Makes those that are missing; returns their names."""
    folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
    folder(settings).chmod(0o700)
    made = []
    for name in NAMES:
        try:
            handle = os.open(folder(settings) / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(24))
        made.append(name)
    return made
