"""Runs the steps of an installation or a start, side by side where they may, and shows how they go."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

log = logging.getLogger(__name__)

HEARTBEAT_S = 10


class StepError(RuntimeError):
    """A step did not succeed; the message says why and what mends it."""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs a command to its end and returns its output; raises StepError with its last lines when it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-20:])
        raise StepError(f"{' '.join(str(word) for word in command[:4])} ... ended with {done.returncode}:\n{tail}")
    return done.stdout


def together(steps: Mapping[str, Callable[[], None]]) -> None:
    """Runs the steps at once, a thread each, and waits for all.

    Each step's end is logged with its seconds, and every ten seconds what is still going on. Raises StepError with
    every failure when all have ended; an error of any other kind is a mistake of ours and is raised as it is.
    """

    def timed(name: str, step: Callable[[], None]) -> None:
        started = time.monotonic()
        outcome = "failed after"
        try:
            step()
            outcome = "done in"
        finally:
            log.info("%-16s %s %.1f s", name, outcome, time.monotonic() - started)

    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
        running = {pool.submit(timed, name, step): name for name, step in steps.items()}
        pending = set(running)
        while pending:
            ended, pending = wait(pending, timeout=HEARTBEAT_S, return_when=FIRST_COMPLETED)
            if not ended:
                log.info("%-16s %s", "waiting for", ", ".join(sorted(running[future] for future in pending)))
    failures = {name: error for future, name in running.items() if (error := future.exception())}
    for error in failures.values():
        if not isinstance(error, StepError):
            raise error
    if failures:
        raise StepError("\n".join(f"{name}: {error}" for name, error in failures.items()))
