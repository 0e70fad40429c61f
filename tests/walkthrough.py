"""docs/domains.md as what it is: files to write, and commands to run."""

from __future__ import annotations

import re
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


def write_files(folder: Path) -> None:
    for name, text in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
