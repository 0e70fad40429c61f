"""Unit tests know nothing of the machine that they run on."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

import settings
from settings import Settings


@pytest.fixture(autouse=True)
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the developer's .env nor the environment changes a setting."""
    monkeypatch.setattr(settings, "ENV_FILE", tmp_path / ".env")
    for field in fields(Settings):
        monkeypatch.delenv(field.name.upper(), raising=False)
