"""Runs the steps of an installation or a start, side by side where they may, and shows how they go."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10


class StepFailed(RuntimeError):
    """A step did not succeed; the message says why and what mends it."""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs a command to its end and returns its output; raises StepFailed with its last lines when it fails."""
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
        raise StepFailed(f"{' '.join(str(word) for word in command[:4])} ... ended with {done.returncode}:\n{tail}")
    return done.stdout


def together(steps: Mapping[str, Callable[[], None]]) -> None:
    """Runs the steps at once, a thread each, and waits for all.

    Each step's end is logged with its seconds, and every ten seconds what is still going on. Raises StepFailed with
    every failure when all have ended.
    """
    failures: list[str] = []
    lock = threading.Lock()

    def timed(name: str, step: Callable[[], None]) -> None:
        started = time.monotonic()
        try:
            step()
        except Exception as error:
            with lock:
                failures.append(f"{name}: {error}")
            logger.error("%-16s failed after %.0f s", name, time.monotonic() - started)  # noqa: TRY400
            if not isinstance(error, (StepFailed, OSError)):
                logger.debug("the reason", exc_info=True)
        else:
            logger.info("%-16s done in %.1f s", name, time.monotonic() - started)

    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
        running = {pool.submit(timed, name, step): name for name, step in steps.items()}
        pending = set(running)
        while pending:
            _, pending = wait(pending, timeout=HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
            if pending and time.monotonic() - began > HEARTBEAT_SECONDS:
                began = time.monotonic()
                logger.info("%-16s %s", "waiting for", ", ".join(sorted(running[future] for future in pending)))
    if failures:
        raise StepFailed("\n".join(failures))
