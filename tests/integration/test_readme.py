"""The README's commands, run one after the other as a reader would, on ports and in a folder of their own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from local.ports import free_ports
from local.throwaway import FOLDER, PORTS
from settings import ROOT

pytestmark = pytest.mark.integration

COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]
DEADLINE_S = 400


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    state = FOLDER / "readme"
    ports = {name.upper(): str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    environment = {**os.environ, **ports, "STATE_DIR": str(state), "PRODUCER_BACKFILL_MINUTES": "2"}
    yield environment
    subprocess.run(["make", "clean"], cwd=ROOT, env=environment, check=True)
    assert not state.exists()


def run(command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}"
    return done.stdout


def test_the_readmes_commands(environment: dict[str, str]) -> None:
    outputs = {command: run(command, environment) for command in COMMANDS}
    assert "/superset/dashboard/sales-live/" in outputs["make up"]
    assert "superset_admin" in outputs["make up"]
    assert re.search(r"verify: acknowledged=[1-9]\d* .* revenue_cents_off=0", outputs["make verify"])
    assert re.search(r"latency p95 +\d", outputs["make status"])
    events = next(output for command, output in outputs.items() if command.startswith("make events"))
    assert '"event_name"' in events
