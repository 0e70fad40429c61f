"""What is measured counts only where it is right."""

from __future__ import annotations

from audit.verify import DEADLINE_S, verify
from settings import Settings


class WrongResult(AssertionError):  # noqa: N818 - it says what was found
    """What was written is something else than what was sent."""


def prove(settings: Settings, deadline_s: float = DEADLINE_S) -> None:
    """Raises WrongResult unless all that was sent of a domain is in the stores, once."""
    verdict = verify(settings, deadline_s)
    if not verdict.exact:
        raise WrongResult(f"{settings.domain}: {verdict}")
