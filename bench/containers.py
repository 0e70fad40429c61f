"""`python -m bench.containers`: what each container takes, as the table of docs/operations.md.

Starts the stack from nothing in a project of its own; takes memory while the producer rests, and then the most that
was seen while it sends 2,000 events/s.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from local.compose.stack import ComposeStack
from local.ports import free_ports
from local.runtime import switched_on
from settings import ROOT, Settings

RATE = 2000.0
REST_S = 20.0
BUSY_S = 60.0
DEADLINE_S = 600.0
LOOK_EVERY_S = 0.5


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def inspected(stack: ComposeStack) -> Iterator[tuple[str, dict]]:
    """Service and what the engine knows of its container, for those that run."""
    for container in stack.containers():
        if container["Service"] in switched_on(stack.settings) and container["State"] == "running":
            yield container["Service"], json.loads(docker("inspect", container["ID"]))[0]


def start_seconds(stack: ComposeStack) -> dict[str, float]:
    """Starts the stack; service -> seconds from the start of its container until it had proved to work."""
    starting = subprocess.Popen(["docker", "compose", "up", "--detach", "--build"], cwd=ROOT, env=stack.environment)
    seconds: dict[str, float] = {}
    deadline = time.monotonic() + DEADLINE_S
    while len(seconds) < len(switched_on(stack.settings)) and time.monotonic() < deadline:
        for name, container in inspected(stack):
            if name not in seconds and container["State"]["Health"]["Status"] == "healthy":
                started = datetime.fromisoformat(container["State"]["StartedAt"])
                seconds[name] = time.time() - started.timestamp()
        time.sleep(LOOK_EVERY_S)
    if starting.wait():
        raise SystemExit("the stack did not start")
    return seconds


def most_memory(stack: ComposeStack, seconds: float) -> dict[str, int]:
    """Service -> the most memory that was seen over some seconds, in bytes."""
    most: dict[str, int] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for row in stack.status():
            most[row.name] = max(most.get(row.name, 0), row.memory_bytes)
    return most


def table(stack: ComposeStack, seconds: dict[str, float], rest: dict[str, int], busy: dict[str, int]) -> str:
    lines = [
        "| container | image | image, MB | limit, MB | at rest, MB | at 2,000 events/s, MB | start, s |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, container in inspected(stack):
        image = container["Config"]["Image"]
        image_mb = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
        limit_mb = container["HostConfig"]["Memory"] / 2**20
        figures = (image_mb, limit_mb, rest.get(name, 0) / 2**20, busy[name] / 2**20, seconds[name])
        lines.append(f"| {name} | `{image}` | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |")
    return "\n".join(lines)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        [port] = free_ports(1)
        stack = ComposeStack(Settings(state_dir=folder, superset_port=port, producer_backfill_minutes=0))
        try:
            seconds = start_seconds(stack)
            stack.stop("producer")
            rest = most_memory(stack, REST_S)
            busy = ComposeStack(replace(stack.settings, producer_rate=RATE))
            busy.up()
            print(table(busy, seconds, rest, most_memory(busy, BUSY_S)))  # noqa: T201 - the command's output
            stack.audit("status")
            stack.audit("verify")
        finally:
            stack.remove()


if __name__ == "__main__":
    main()
