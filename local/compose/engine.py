"""The Docker engine: whether one answers, and whether the stack can run on it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass

from local.findings import Finding, report

OLDEST_ENGINE = (20, 10)
OLDEST_COMPOSE = (2, 21)
NEEDED_MEMORY_MB = 5700
"""What engines of laptops call 6 GB."""
START_IT = "start it, or add your user to the group docker"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the engine; versions and memory are None where nothing answers."""

    engine: tuple[int, int] | None
    compose: tuple[int, int] | None
    memory_mb: int | None


def version(text: str) -> tuple[int, int] | None:
    """Major and minor version at the beginning of a text."""
    found = re.match(r"v?(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2])) if found else None


def is_installed() -> bool:
    """Whether there is Docker's command line, whether or not an engine answers it."""
    return shutil.which("docker") is not None


def _docker(*words: str) -> str | None:
    """What a docker command prints; None where it fails."""
    if not is_installed():
        return None
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def gather() -> Facts:
    """Asks the engine."""
    told = json.loads(_docker("info", "--format", "{{json .}}") or "{}")
    memory_bytes = told.get("MemTotal")
    return Facts(
        engine=version(told.get("ServerVersion") or ""),
        compose=version(_docker("compose", "version", "--short") or ""),
        memory_mb=memory_bytes // 2**20 if memory_bytes else None,
    )


def findings(facts: Facts) -> list[Finding]:
    """Everything that keeps the stack from running there."""
    if facts.engine is None:
        return [Finding("no Docker engine answers", f"{START_IT}; or set RUNTIME=native")]
    found = []
    for what, there, oldest in (
        ("Docker's engine", facts.engine, OLDEST_ENGINE),
        ("Docker's plugin compose", facts.compose, OLDEST_COMPOSE),
    ):
        if there is None or there < oldest:
            problem = f"{what} is {'.'.join(map(str, there)) if there else 'missing'}"
            found.append(Finding(problem, f"install {'.'.join(map(str, oldest))} or later; or set RUNTIME=native"))
    if facts.memory_mb is not None and facts.memory_mb < NEEDED_MEMORY_MB:
        problem = f"the engine has {facts.memory_mb} MB of memory, {NEEDED_MEMORY_MB} are needed"
        found.append(Finding(problem, "give Docker more in its settings"))
    return found


def answers() -> bool:
    """Whether an engine answers that knows Compose, whatever else may be wrong with it."""
    facts = gather()
    return facts.engine is not None and facts.compose is not None


def has_volumes(project: str) -> bool | None:
    """Whether a Compose project has volumes, and so data; None where no engine answers."""
    names = _docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project}")
    return None if names is None else names != ""


def preflight() -> None:
    """Raises StepError with everything that keeps the stack from running in containers here."""
    report(findings(gather()))
