"""docs/domains.md as what it is: files to write, and commands to run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from settings import ROOT

PAGE = ROOT / "docs" / "domains.md"
DOMAIN = "temperature"


def files() -> dict[str, str]:
    """Path -> contents, in the order of the page."""
    return dict(re.findall(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE))


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


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


def write_files(folder: Path) -> None:
    for name, text in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
