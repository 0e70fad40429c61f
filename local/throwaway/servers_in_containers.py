"""A stack for tests whose servers are containers: the images that users run, where a Docker engine answers.

testcontainers runs them from the project's own docker-compose.yml, so that each container is defined once.
"""

from __future__ import annotations

import contextlib
import subprocess
import time

from testcontainers.compose import DockerCompose

from local.compose.stack import project
from local.native import readiness
from local.native.stack import LOG_LINES, POLL_S, Stack
from local.runtime import SERVERS
from local.steps import StepError
from settings import ROOT, Settings, as_environment

FILES = ["docker-compose.yml", "local/throwaway/published-servers.yml"]


class StackOnContainers(Stack):
    """Kafka, Cassandra and MySQL as containers, published on the settings' ports; the rest as processes."""

    def _compose(self, *servers: str) -> DockerCompose:
        """These servers; without names the whole project."""
        variables = self.settings.path("run", "compose.env")
        variables.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        values = {**as_environment(self.settings), "STATE_DIR": self.settings.path()}
        values["COMPOSE_PROJECT_NAME"] = project(self.settings)
        variables.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        return DockerCompose(ROOT, FILES, env_file=str(variables), services=list(servers))

    def start(self, *names: str, settings: Settings | None = None, wait: bool = True) -> None:
        """As Stack.start; servers always run with the stack's own settings."""
        if servers := [name for name in names if name in SERVERS]:
            self._compose(*servers).start()
        if processes := [name for name in names if name not in SERVERS]:
            super().start(*processes, settings=settings, wait=wait)

    def wait_ready(self, name: str, settings: Settings | None = None) -> None:
        """Waits until the service works; raises StepError with the end of its log when it takes too long."""
        if name not in SERVERS:
            super().wait_ready(name, settings)
            return
        deadline = time.monotonic() + readiness.DEADLINE_S[name]
        while missing := readiness.missing(name, self.settings):
            if time.monotonic() > deadline:
                raise StepError(f"{name} does not work: {missing}. {self.log_tail(name)}")
            time.sleep(POLL_S)

    def stop(self, *names: str) -> None:
        if servers := [name for name in names if name in SERVERS]:
            self._compose(*servers).stop(down=False)
        super().stop(*(name for name in names if name not in SERVERS))

    def kill(self, name: str) -> None:
        if name not in SERVERS:
            super().kill(name)
            return
        # From within: what is killed by the engine's own command is not started again.
        with contextlib.suppress(subprocess.CalledProcessError):  # the shell dies, too
            self._compose().exec_in_container(["bash", "-c", "kill -KILL -1"], name)

    def log_tail(self, name: str, lines: int = LOG_LINES) -> str:
        if name not in SERVERS:
            return super().log_tail(name, lines)
        out, _ = self._compose().get_logs(name)
        return "\n".join(out.splitlines()[-lines:])

    def destroy(self) -> None:
        self._compose().stop()
        super().destroy()
