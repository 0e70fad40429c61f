"""A domain that is added by files alone runs beside the shop, on the same servers; see docs/domains.md."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from local.native.stack import Stack
from settings import Settings
from spark_jobs import aggregate
from stores import mysql
from tests import walkthrough
from tests.checkout import checkout
from tests.integration.pipeline import output, spark_running
from tests.waiting import wait_for

pytestmark = pytest.mark.integration

EVENTS = 4_000


@dataclass
class Beside:
    """A checkout with the new domain, and settings with both."""

    folder: Path
    settings: Settings

    def run(self, *words: str, code: int = 0) -> str:
        return output(self.settings, *words, folder=self.folder, code=code)

    @contextmanager
    def spark(self) -> Iterator[subprocess.Popen]:
        """The job; it and its children are killed at the end."""
        with (self.folder / "spark.log").open("a") as log, spark_running(self.settings, self.folder, log) as job:
            yield job

    def committed(self, domain: str) -> int:
        """The last micro-batch of a domain's aggregates."""
        return aggregate.checkpoint(self.settings.one(domain)).committed_batch()

    def send(self, seed: int, code: int = 0) -> None:
        """Has the producer send events of both, faults among them, to their end."""
        self.run("-m", "producer", "--unpaced", f"--events={EVENTS}", f"--seed={seed}", "--malformed=0.02", code=code)


def checksums(settings: Settings) -> list[tuple]:
    """Of all the shop's tables in MySQL."""
    with mysql.connected(settings, "root", settings.domain) as connection:
        names = [name for name, _ in mysql.query(connection, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")]
        return mysql.query(connection, f"CHECKSUM TABLE {', '.join(names)}")


@pytest.fixture(scope="module")
def beside(servers: Stack, tmp_path_factory: pytest.TempPathFactory) -> Beside:
    """The page's files in a checkout, and the new domain in the stores of a stack that has the shop."""
    folder = checkout(tmp_path_factory.mktemp("beside"))
    walkthrough.write_files(folder)
    found = Beside(folder, replace(servers.settings, domains=(*servers.settings.domains, walkthrough.DOMAIN)))
    found.run("-m", "contracts", walkthrough.DOMAIN, "--release")
    before = checksums(servers.settings)
    found.run("-m", "stores")
    assert checksums(servers.settings) == before
    return found


def test_both_are_exact_through_a_kill_of_spark(beside: Beside) -> None:
    beside.send(seed=3)
    with beside.spark():
        wait_for("the new domain has a micro-batch", lambda: beside.committed(walkthrough.DOMAIN) >= 0)
    beside.send(seed=4)
    with beside.spark():
        said = beside.run("-m", "audit", "verify")
    lines = [line for line in said.splitlines() if line.startswith("verify: ")]
    assert len(lines) == 2
    assert all(line.endswith("amount_off=0") for line in lines)
    [of_house] = [line for line in beside.run("-m", "audit", "verify", "--domain", walkthrough.DOMAIN).splitlines()
                  if line.startswith("verify: ")]  # fmt: skip
    assert f"archived={2 * EVENTS} aggregated={2 * EVENTS}" in of_house


def test_a_recomputation_gives_the_new_domain_s_tables(beside: Beside) -> None:
    beside.run("-m", "spark_jobs", "rebuild", "--check", "--domain", walkthrough.DOMAIN)


def test_a_function_that_fails_leaves_the_other_domain_running_and_goes_on_once_mended(beside: Beside) -> None:
    module = beside.folder / "spark_jobs" / "domains" / f"{walkthrough.DOMAIN}.py"
    whole = module.read_text()
    module.write_text(whole.replace("    return events", "    1 / len(events.filter(False))\n    return events"))
    beside.send(seed=6)
    with beside.spark() as job:
        assert beside.run("-m", "audit", "verify", "--domain", "ecommerce").endswith("amount_off=0\n")
        again = "temperature has failed, and is begun anew in 2 s"
        wait_for("it has failed twice", lambda: again in (beside.folder / "spark.log").read_text())
        assert job.poll() is None
    module.write_text(whole)
    with beside.spark():
        beside.run("-m", "audit", "verify")


def test_a_broken_contract_leaves_the_other_domain_running(beside: Beside) -> None:
    contract = beside.folder / "contracts" / f"{walkthrough.DOMAIN}.yaml"
    whole = contract.read_text()
    contract.write_text(whole.replace("name: sent_at", "name: sent"))
    beside.send(seed=5, code=os.EX_CONFIG)
    with beside.spark() as job:
        said = beside.run("-m", "audit", "verify", code=1)
        assert job.poll() is None
    assert "a required field sent_at" in said
    [line] = [line for line in said.splitlines() if line.startswith("verify: ")]
    assert line.endswith("amount_off=0")
    contract.write_text(whole)
    assert "temperature does not run" in (beside.folder / "spark.log").read_text()
