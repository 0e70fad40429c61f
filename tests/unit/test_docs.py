"""What the docs say is what the code says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import contracts
from contracts.__main__ import tables
from local import settings_docs
from settings import DOMAINS, ROOT

DOCS = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_page_has_the_tables_of_its_contract(domain: str) -> None:
    page = ROOT / "docs" / f"{domain}.md"
    missing = [row for row in tables(contracts.load(domain)).splitlines() if row not in page.read_text().splitlines()]
    assert missing == [], f"docs/{page.name}: run 'python -m contracts {domain}'"
    assert tables(contracts.load(domain)) in page.read_text()


@pytest.mark.parametrize(
    ("file", "made"),
    [(settings_docs.EXAMPLE, settings_docs.example), (settings_docs.PAGE, settings_docs.page)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_settings_are_explained_as_settings_py_says(file: Path, made: Callable[[], str]) -> None:
    assert file.read_text() == made(), "run 'make settings'"


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_make_target_exists(document) -> None:
    named = set(re.findall(r"make ([a-z-]+)", document.read_text())) - {"sure"}
    assert named <= TARGETS, named - TARGETS


@pytest.mark.parametrize("document", DOCS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_the_readme_names_every_room() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    rooms = {path.split("/")[0] for path in listed.splitlines() if "/" in path and not path.startswith(".")}
    named = re.findall(r"^\|( `\w+/`.*?)\|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)/`", " ".join(named))) == rooms


def test_no_document_has_a_command_that_other_systems_lack() -> None:
    of_gnu = re.compile(r"date [^\n]*-d |readlink -f|sed -i |grep -P")
    assert [path.name for path in DOCS if of_gnu.search(path.read_text())] == []


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert "`make test`" in (ROOT / "README.md").read_text()
    assert re.search(r"^RUNTIME=native make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
