"""A domain is files of one stem: none is missing, and none is of no domain."""

from __future__ import annotations

import subprocess
from pathlib import PurePath

import pytest

from settings import DOMAINS, ROOT

NEEDED = (
    "contracts/{}.yaml",
    "contracts/released/{}.v*.yaml",
    "docs/{}.md",
    "mysql/{}.sql",
    "producer/domains/{}/__init__.py",
    "spark_jobs/domains/{}.py",
    "tests/cases/{}.yaml",
)
OF_NO_DOMAIN = {
    "cassandra/*.cql": {"amount", "lookup", "pipeline", "raw_events"},
    "contracts/*.yaml": set(),
    "contracts/released/*": set(),
    "mysql/*.sql": {"pipeline", "statistics"},
    "mysql/*.yaml": set(),
    "producer/domains/*": {"__init__"},
    "reports/domains/*": {"__init__"},
    "spark_jobs/domains/*": {"__init__"},
    "superset/alerts/*": {"pipeline"},
    "superset/dashboards/*": {"pipeline", "look", "periods"},
    "tests/cases/*": {"charts", "identity", "query_progress", "validation"},
}
"""Where a domain has files or a folder -> what else there is, by its name up to the first dot."""


@pytest.fixture(scope="module")
def paths() -> set[PurePath]:
    """All files, but those that git ignores, and their folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    there = [PurePath(name) for name in listed if (ROOT / name).exists()]
    return {path for file in there for path in (file, *file.parents)}


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("file", NEEDED)
def test_a_domain_has_every_file_that_it_needs(paths: set[PurePath], domain: str, file: str) -> None:
    assert any(path.match(file.format(domain)) for path in paths), f"{file.format(domain)} is missing"


@pytest.mark.parametrize("place", OF_NO_DOMAIN)
def test_every_file_is_of_a_domain(paths: set[PurePath], place: str) -> None:
    known = {*DOMAINS, *OF_NO_DOMAIN[place]}
    found = {path for path in paths if path.match(place) and len(path.parts) == place.count("/") + 1}
    strangers = {str(path) for path in found if path.name.partition(".")[0] not in known}
    assert strangers == set(), f"of no domain; there are: {', '.join(DOMAINS)}"


def test_no_domain_is_called_like_something_else() -> None:
    assert set().union(*OF_NO_DOMAIN.values()).isdisjoint(DOMAINS)
