"""Another checkout than this one, for what changes files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from settings import ROOT


def checkout(folder: Path) -> Path:
    """A copy of this checkout, with what is installed and without its data."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / ".local").mkdir()
    (folder / ".local" / "install").symlink_to((ROOT / ".local" / "install").resolve())
    return folder
