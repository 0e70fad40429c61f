"""What was measured, kept as JSON in .local/bench, by the time at which it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from settings import ROOT

FOLDER = ROOT / ".local" / "bench"


def keep(name: str, result: Mapping[str, object]) -> Path:
    """Writes a result, with the time and the machine's cores, and returns the file."""
    now = datetime.now(UTC)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}-{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({"at": now.isoformat(), "cores": os.cpu_count(), **result}, indent=2) + "\n")
    return path
