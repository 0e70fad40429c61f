"""The stack in containers, as docker-compose.yml has it. Needs a bare Python and Docker's command line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import settings as settings_module
from local import kept_domains
from local.compose import engine
from local.runtime import NO_PRODUCER, SERVERS, ServiceStatus, beside_spark, cluster_id, switched_on
from local.steps import StepError
from settings import ROOT, Settings, as_environment

DEFAULT_PROJECT = "tillstream"
WAIT_S = 400
LOG_LINES = 25
EVERY_PROFILE = ("--profile", "*")
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def memory_bytes(text: str) -> int:
    """The bytes that `docker stats` writes as `231.5MiB / 700MiB`."""
    number, unit = re.match(r"([\d.]+)\s*([A-Za-z]+)", text).groups()
    return round(float(number) * UNITS[unit])


def state(container: dict[str, str]) -> str:
    """A container's state in the words of ServiceStatus, from a line of `docker compose ps`."""
    if container["State"] != "running":
        return container["State"].upper()
    return {"healthy": "RUNNING", "": "RUNNING"}.get(container["Health"], container["Health"].upper())


def project(settings: Settings) -> str:
    """The Compose project's name: for the default state folder what Compose takes, else one of its own."""
    if settings.path() == Settings().path():
        return settings_module.given().get("COMPOSE_PROJECT_NAME") or DEFAULT_PROJECT
    return f"{DEFAULT_PROJECT}-{hashlib.sha256(str(settings.path()).encode()).hexdigest()[:12]}"


def folder(state: Path) -> Path:
    """What containers keep in the state folder. It is there from their first start on until their data is removed, and
    so says where to look for the data when no engine does."""
    return state / "compose"


class ComposeStack:
    """The containers of one `Settings`: a Compose project, `tillstream` for the default state folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        given = as_environment(settings_module.load())
        # Compose reads .env and the environment itself: only what these settings change is added.
        changed = {name: text for name, text in as_environment(settings).items() if given[name] != text}
        self.environment = {**os.environ, **changed}
        self.environment["COMPOSE_PROJECT_NAME"] = project(settings)
        if settings.spark_master != "local":
            self.environment["COMPOSE_PROFILES"] = "cluster"

    def compose(self, *words: str, stdout: IO[bytes] | None = None) -> int:
        """Runs `docker compose` with the terminal's own output, or one into a file; returns its exit code."""
        command = ["docker", "compose", *words]
        return subprocess.run(command, cwd=ROOT, env=self.environment, stdout=stdout, check=False).returncode

    def read(self, *words: str) -> str:
        """What `docker compose` prints; raises StepError when it fails."""
        done = subprocess.run(
            ["docker", "compose", *words], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StepError(f"docker compose {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def containers(self) -> list[dict[str, str]]:
        """The project's containers, as `docker compose ps` describes them."""
        return [json.loads(line) for line in self.read("ps", "--all", "--format", "json").splitlines()]

    def up(self, names: Iterable[str] | None = None) -> None:
        """Builds the images that have changed, too. Without names: all services that are switched on."""
        everything = switched_on(self.settings)
        names = everything if names is None else tuple(names)
        self._build()
        self._make_folder()
        if set(names) == set(everything):
            self._start()
        else:
            self._start(*names)
            if set(SERVERS) <= set(names) and self._run_once("stores"):
                raise StepError("the stores could not be set up")
        if "superset" in names:
            self._keep_password()

    def _build(self) -> None:
        """Shows its progress to people alone: written to a file it is one line a layer, and again at each start."""
        self._do("build", *([] if sys.stdout.isatty() else ["--quiet"]))

    def _start(self, *words: str) -> None:
        code = self.compose("up", "--detach", "--wait", "--wait-timeout", str(WAIT_S), *words)
        if code:
            raise StepError("\n".join(["The stack does not work.", *self.complaints()]))

    def complaints(self) -> list[str]:
        """The end of the log of each container that does not do what it should."""
        wrong = (
            container
            for container in self.containers()
            if container["ExitCode"] or (container["State"] == "running" and state(container) != "RUNNING")
        )
        return [
            f"{container['Service']}: {container['Status']}. The end of its log:\n{self.log_tail(container['Service'])}"
            for container in wrong
        ]

    def log_tail(self, name: str, lines: int = LOG_LINES) -> str:
        """The end of the service's log."""
        text = self.read("logs", "--no-log-prefix", "--tail", str(lines), name)
        return "".join(f"    {line}\n" for line in text.splitlines())

    @property
    def password_path(self) -> Path:
        return folder(self.settings.path()) / "superset_admin"

    def _make_folder(self) -> None:
        """To be called before there is any volume: what is half made has to be found, too."""
        folder(self.settings.path()).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _keep_password(self) -> None:
        """Copies the admin's password out: people need it, all the others stay inside."""
        self.password_path.unlink(missing_ok=True)
        with os.fdopen(os.open(self.password_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self.read("exec", "-T", "superset", "cat", "/state/secrets/superset_admin"))

    def down(self) -> None:
        self._do(*EVERY_PROFILE, "down", "--remove-orphans")

    def remove(self) -> None:
        self._do(*EVERY_PROFILE, "down", "--remove-orphans", "--volumes")
        shutil.rmtree(folder(self.settings.path()), ignore_errors=True)
        run = self.settings.path("run")
        for ours in (run / "lock", kept_domains.note_in(run)):
            ours.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not there, or a native stack's
            run.rmdir()
            self.settings.path().rmdir()

    def _do(self, *words: str) -> None:
        if self.compose(*words):
            raise StepError(f"docker compose {' '.join(words)} has failed")

    def restart(self, *names: str) -> None:
        self.require_running()
        self._build()
        self._start("--force-recreate", "--no-deps", *names)

    def stop(self, *names: str) -> None:
        """Stops the services as they wish to be stopped (SIGTERM first)."""
        self._do("stop", *names)

    def start(self, *names: str) -> None:
        """Starts services and what they need, and waits until they work."""
        self._start(*names)

    def scale(self, name: str, containers: int) -> None:
        """Makes the service run in so many containers."""
        self._start("--scale", f"{name}={containers}")

    def kill(self, name: str) -> None:
        """SIGKILL to all of the service's processes at once, as a crash would; the engine starts it again."""
        # From within: what is killed by the engine's own command is not started again.
        self.compose("exec", "-T", name, "bash", "-c", "kill -KILL -1")

    def require_running(self) -> None:
        if not any(state(container) == "RUNNING" for container in self.containers()):
            raise StepError("the stack is not running: run 'make up'")

    def status(self) -> list[ServiceStatus]:
        """One row a service, and one for each other container that runs: a Spark cluster's."""
        containers = [
            container
            for container in self.containers()
            if container["Service"] in switched_on(self.settings) or container["State"] == "running"
        ]
        used = self._memory(container["ID"] for container in containers)
        addresses = {"superset": self.settings.superset}
        rows = []
        listed = sorted(container["Service"] for container in containers)
        for name in dict.fromkeys((*switched_on(self.settings), *listed)):
            address = addresses.get(name, "")
            mine = [container for container in containers if container["Service"] == name]
            rows += [ServiceStatus(name, state(one), used.get(one["ID"], 0), address) for one in mine]
            if not mine:
                rows.append(ServiceStatus(name, "STOPPED", 0, address))
        return rows

    def _memory(self, ids: Iterable[str]) -> dict[str, int]:
        """Container -> the memory that it uses, in bytes, without the files that the kernel could drop."""
        ids = tuple(ids)
        if not ids:
            return {}
        done = subprocess.run(
            ["docker", "stats", "--no-stream", "--format", "{{.ID}} {{.MemUsage}}", *ids],
            capture_output=True,
            text=True,
            check=True,
        )
        lines = (line.split(" ", 1) for line in done.stdout.splitlines())
        return {name: memory_bytes(text) for name, text in lines}

    def follow_log(self, name: str) -> None:
        os.chdir(ROOT)
        words = ["docker", "compose", "logs", "--follow", "--no-log-prefix", "--tail", "50", name]
        os.execvpe("docker", words, self.environment)  # noqa: S606

    def audit(self, *arguments: str) -> int:
        self.require_running()
        return self._run_once("audit", *arguments)

    def report(self, file: IO[bytes], *arguments: str) -> int:
        self.require_running()
        return self._run_once("report", *arguments, stdout=file)

    def incident(self, *arguments: str) -> int:
        """Runs `python -m producer.incident` in the producer's container and returns its exit code."""
        if not any(one["Service"] == "producer" and state(one) == "RUNNING" for one in self.containers()):
            raise StepError(NO_PRODUCER)
        sys.stdout.flush()
        return self.compose("exec", "-T", "producer", "python", "-m", "producer.incident", *arguments)

    def rebuild(self, *arguments: str) -> int:
        self.require_running()
        if beside_spark(arguments):
            return self._run_once("offline", "rebuild", *arguments)
        self.stop("spark")
        code = self._run_once("offline", "rebuild", *arguments)
        if code == 0:
            self.start("spark")
        return code

    def replay(self) -> int:
        self.require_running()
        self.stop("spark")
        code = self._run_once("offline", "replay")
        self.start("spark")
        return code

    def pack(self, part: str, file: Path) -> None:
        """Copies a part of the data into a tar file of mode 0600. The stack must be stopped."""
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            self._in_volumes(f"tar --create --use-compress-program='gzip -1' --directory=/volumes/{part} .", stdout=out)

    def unpack(self, part: str, file: Path) -> None:
        """Puts a part of the data in the place of what is there. The stack must be stopped."""
        self._make_folder()
        with file.open("rb") as packed:
            self._in_volumes(
                f"find /volumes/{part} -mindepth 1 -delete && "
                f"tar --extract --gzip --same-permissions --same-owner --directory=/volumes/{part}",
                stdin=packed,
            )

    def kafka_id(self) -> str | None:
        """The id that Kafka's data got when it was made; None where there is none."""
        if engine.has_volumes(project(self.settings)) is False:
            return None  # to look inside would make them
        return cluster_id(self._in_volumes("cat /volumes/kafka/meta.properties 2>/dev/null || true").decode())

    def _in_volumes(
        self, script: str, stdin: IO[bytes] | int = subprocess.DEVNULL, stdout: IO[bytes] | int = subprocess.PIPE
    ) -> bytes:
        """Runs a script where all volumes are, and returns what it prints; raises StepError when it fails."""
        words = ["docker", "compose", "--progress", "quiet", "run", "--rm", "--no-deps", "--no-TTY", "volumes", script]
        done = subprocess.run(
            words, cwd=ROOT, env=self.environment, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, check=False
        )
        if done.returncode:
            raise StepError(f"{script}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout or b""

    def _run_once(self, service: str, *arguments: str, stdout: IO[bytes] | None = None) -> int:
        sys.stdout.flush()
        words = ("--progress", "quiet", "run", "--rm", "--no-deps", "--no-TTY", service, *arguments)
        return self.compose(*words, stdout=stdout)
