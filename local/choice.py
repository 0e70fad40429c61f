"""Which runtime a command acts on: the one that has the data of this state folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from local.compose import engine
from local.compose import stack as compose
from local.native import preflight
from local.native.services import DATA_FOLDERS
from local.steps import StepError
from settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is of a stack's data.

    - native: whether processes have some in the state folder, or run
    - volumes: whether Docker has some of the stack's project; None where no engine answers
    - noted: whether the state folder says that the stack was started in containers
    - state, project: where to look for either, in words
    """

    native: bool
    volumes: bool | None
    noted: bool
    state: Path
    project: str

    def places(self) -> dict[str, str]:
        """Runtime -> where its data is, of those that have some."""
        found = {"native": f"in {self.state}"} if self.native else {}
        if self.volumes:
            found["compose"] = f"in Docker's volumes {self.project}_*"
        elif self.volumes is None and self.noted:
            found["compose"] = f"in containers, as {compose.folder(self.state)} says, but no Docker engine answers"
        return found


def holder(found: Found) -> str | None:
    """The runtime that has the data; None where none has. Raises StepError where only people can say what is meant."""
    places = found.places()
    if len(places) > 1:
        raise StepError(
            "\n".join(
                [
                    "There is data of two stacks:",
                    *(f"  - {runtime}: {place}" for runtime, place in places.items()),
                    "Say which one is meant, here or in .env: RUNTIME=native or RUNTIME=compose. To keep only one,",
                    "remove the other: make clean RUNTIME=native, or make clean RUNTIME=compose.",
                ]
            )
        )
    if "compose" in places and found.volumes is None:
        raise StepError(
            f"The data is {places['compose']}: {engine.START_IT}.\n"
            "With RUNTIME=native the command is about another stack, of plain processes."
        )
    return next(iter(places), None)


def look(settings: Settings) -> Found:
    """Looks into the state folder, and asks the Docker engine."""
    folders = [settings.path(name) for name in DATA_FOLDERS]
    project = compose.project(settings)
    return Found(
        native=preflight.is_running(settings) or any(any(folder.iterdir()) for folder in folders if folder.is_dir()),
        volumes=engine.has_volumes(project),
        noted=compose.folder(settings.path()).exists(),
        state=settings.path(),
        project=project,
    )


def preferred(settings: Settings) -> str:
    """`compose` or `native`, for a stack that has no data yet: what RUNTIME says or, for `auto`, containers where a
    Docker engine answers."""
    if settings.runtime != "auto":
        return settings.runtime
    return "compose" if engine.answers() else "native"


def chosen(settings: Settings) -> str:
    """`compose` or `native`, for the stack of these settings: what RUNTIME says or, for `auto`, where its data is.

    Says what it has found, where there was a choice. Raises StepError as `holder` does.
    """
    if settings.runtime != "auto":
        return settings.runtime
    found = look(settings)
    if runtime := holder(found):
        why = f"the data is {found.places()[runtime]}"
    else:
        runtime = preferred(settings)
        an = "a" if runtime == "compose" else "no"
        why = f"there is no data yet, and {an} Docker engine with Compose answers"
    if engine.is_installed():
        log.info("%-16s %s: %s", "runtime", runtime, why)
    return runtime
