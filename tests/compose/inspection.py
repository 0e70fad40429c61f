"""What the engine and the kernel say of the running containers."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from typing import Any

from local.compose.stack import ComposeStack
from local.runtime import switched_on


def inspect(ids: list[str]) -> list[dict[str, Any]]:
    """What the engine knows of containers, networks or other things of its own."""
    done = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def running(stack: ComposeStack) -> dict[str, dict[str, Any]]:
    """Service -> what the engine knows of its container."""
    ids = {container["Service"]: container["ID"] for container in stack.containers()}
    return {name: inspect([ids[name]])[0] for name in switched_on(stack.settings)}


def inside(stack: ComposeStack, service: str, command: str) -> subprocess.CompletedProcess:
    """Runs a line of shell in a running container."""
    words = ["docker", "compose", "exec", "-T", service, "sh", "-c", command]
    return subprocess.run(words, env=stack.environment, capture_output=True, text=True, check=False)


def python(stack: ComposeStack, service: str, code: str, *options: str) -> subprocess.CompletedProcess:
    """Runs Python in a new container of a service."""
    words = ["run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "python", *options, service, "-c", code]
    words = ["docker", "compose", "--progress", "quiet", *words]
    return subprocess.run(words, env=stack.environment, capture_output=True, text=True, check=False)


@cache
def process_status(stack: ComposeStack, service: str) -> dict[str, str]:
    """The kernel's word on the container's first process: /proc/1/status."""
    lines = inside(stack, service, "cat /proc/1/status").stdout.splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
