"""The domains of a stack that was started before: its commands are about them, where DOMAINS does not say otherwise."""

from __future__ import annotations

import logging
from pathlib import Path

import settings as settings_module
from settings import DOMAINS, Settings

log = logging.getLogger(__name__)


def note_in(folder: Path) -> Path:
    """The file in which they are kept: of a stack in its folder `run`, of a backup in its own."""
    return folder / "domains"


def keep(folder: Path, domains: tuple[str, ...]) -> None:
    """Notes with which domains a stack is started, or was copied."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    note_in(folder).write_text(f"{' '.join(domains)}\n")


def kept(folder: Path) -> tuple[str, ...]:
    """The domains noted there, of those that there are still; none where there is no note."""
    note = note_in(folder)
    return tuple(name for name in note.read_text().split() if name in DOMAINS) if note.exists() else ()


def chosen(settings: Settings, *folders: Path) -> tuple[str, ...]:
    """What DOMAINS says or, where it is not set, the first note in these folders; the default where there is none.

    Says what it has found, where that is not the default.
    """
    if "DOMAINS" in settings_module.given():
        return settings.domains
    found = next(filter(None, map(kept, folders)), settings.domains)
    if found != settings.domains:
        log.info("%-16s %s: the stack has been started with this; DOMAINS=... changes it", "domains", ",".join(found))
    return found
