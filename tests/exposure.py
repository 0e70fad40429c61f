"""Where a secret of a running stack could be seen: logs, configuration, command lines and environments."""

from __future__ import annotations

import contextlib

import psutil

import passwords
from local.native.stack import Stack


def assert_no_secret_is_seen(stack: Stack, *services: str) -> None:
    """Asserts that no secret of the stack, in which these services run, is to be seen outside its file."""
    known = [passwords.read(stack.settings, name) for name in passwords.NAMES]
    seen = {str(path): path.read_text(errors="replace") for path in stack.supervisor.logs_dir.iterdir()}
    seen |= {str(path): path.read_text() for path in stack.supervisor.run_dir.rglob("*.conf")}
    for process in stack.supervisor.processes():
        with contextlib.suppress(psutil.Error):
            seen[f"process {process.pid}"] = "\0".join([*process.cmdline(), *process.environ().values()])
    assert all(any(path.endswith(f"/{service}.log") for path in seen) for service in services)
    assert sum(place.startswith("process") for place in seen) > len(services)
    assert [place for place, text in seen.items() if any(secret in text for secret in known)] == []
