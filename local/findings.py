"""What keeps a stack from running here, and what mends it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from local.steps import StepError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """A thing that is missing, what mends it, and the Debian package that does where there is one."""

    problem: str
    remedy: str
    package: str = ""


def report(found: list[Finding]) -> None:
    """Raises StepError with every finding; says so where there is none."""
    if found:
        lines = (f"  - {finding.problem}\n      {finding.remedy}" for finding in found)
        raise StepError("\n".join(["The stack can't run here yet:", *lines]))
    log.info("%-16s nothing is missing", "preflight")
