"""A stack for tests whose servers are containers: the images that users run, where a Docker engine answers."""

from __future__ import annotations

import time

from local import readiness
from local.compose import ComposeStack
from local.services import SERVERS
from local.stack import POLL_SECONDS, Stack
from local.steps import StepError
from settings import ROOT, Settings

FILES = ("docker-compose.yml", "local/published-servers.yml")


class StackOnContainers(Stack):
    """Kafka, Cassandra and MySQL as containers, published on the settings' ports; the rest as processes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.containers = ComposeStack(settings)
        self.containers.environment |= {
            "COMPOSE_FILE": ":".join(str(ROOT / file) for file in FILES),
            "STATE_DIR": str(settings.path()),
        }

    def start(self, *names: str, settings: Settings | None = None, wait: bool = True) -> None:
        """As Stack.start; servers always run with the stack's own settings."""
        if servers := [name for name in names if name in SERVERS]:
            self.containers.start(*servers)
        if processes := [name for name in names if name not in SERVERS]:
            super().start(*processes, settings=settings, wait=wait)

    def wait_ready(self, name: str, settings: Settings | None = None) -> None:
        """Waits until the service works; raises StepError with the end of its log when it takes too long."""
        if name not in SERVERS:
            super().wait_ready(name, settings)
            return
        deadline = time.monotonic() + readiness.DEADLINE_SECONDS[name]
        while missing := readiness.CHECKS[name](self.settings):
            if time.monotonic() > deadline:
                raise StepError(f"{name} does not work: {missing}. {self.log_tail(name)}")
            time.sleep(POLL_SECONDS)

    def stop(self, *names: str) -> None:
        if servers := [name for name in names if name in SERVERS]:
            self.containers.stop(*servers)
        super().stop(*(name for name in names if name not in SERVERS))

    def kill(self, name: str) -> None:
        if name in SERVERS:
            self.containers.kill(name)
        else:
            super().kill(name)

    def log_tail(self, name: str, lines: int = 25) -> str:
        return self.containers.log_tail(name, lines) if name in SERVERS else super().log_tail(name, lines)

    def down(self) -> None:
        super().down()
        self.containers.down()

    def destroy(self) -> None:
        self.containers.remove()
        super().destroy()
