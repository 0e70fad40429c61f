"""Whoever follows docs/domains.md has a second domain beside the shop, with its dashboards."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.native.stack import Stack
from local.ports import free_ports
from local.throwaway import PORTS
from settings import Settings, as_environment
from tests import walkthrough
from tests.browser.conftest import run
from tests.checkout import checkout

pytestmark = [pytest.mark.browser, pytest.mark.long]


class Reader:
    """In a checkout of their own, with a stack of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(
            **dict(zip(PORTS, free_ports(len(PORTS)), strict=True)),
            state_dir=str(folder / "state"),
            runtime="native",
            producer_rate=50.0,
            producer_backfill_minutes=5,
        )
        given = as_environment(self.settings)
        del given["DOMAINS"]  # which the reader writes into .env
        self.environment = {**os.environ, **given}

    def run(self, command: str) -> str:
        return run(command, self.environment, self.folder)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(checkout(tmp_path))
    yield reader
    reader.run("make clean")


def test_the_page_s_steps_add_a_domain_to_a_stack_that_runs(reader: Reader) -> None:
    reader.run("make up")
    walkthrough.write_files(reader.folder)
    printed = {command: reader.run(command) for command in walkthrough.commands()}
    for board in ("sales-live", "temperature", "pipeline-health", "pipeline-health-temperature"):
        assert f"/superset/dashboard/{board}/" in printed["make up"]
    assert len(re.findall(r"^verify: .* amount_off=0$", printed["make verify"], re.MULTILINE)) == 2
    assert re.search(r"^temperature$", printed["make status"], re.MULTILINE)
    Stack(reader.settings).kill("spark")
    reader.run(".local/install/venv-superset/bin/python superset/healthy.py")
    assert "amount_off=0" in reader.run("make verify")
