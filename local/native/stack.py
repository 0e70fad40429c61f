"""A native stack: its services as processes, started in order under one supervisord, shown and stopped.

`make up` runs the one in .local/state, each test session one of its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import psutil

import passwords
from local.native import readiness
from local.native.services import DATA_FOLDERS, MADE_BY, SUPERSET_PYTHON, digest
from local.native.supervisor import Supervisor
from local.runtime import (
    NO_PRODUCER,
    SERVERS,
    SERVICES,
    ServiceStatus,
    beside_spark,
    cluster_id,
    switched_on,
)
from local.steps import StepError, run, together
from settings import ROOT, Settings, as_environment

log = logging.getLogger(__name__)

POLL_S = 0.3
LOG_LINES = 25
ATTEMPTS = 3
FOLDERS = (*DATA_FOLDERS, "logs", "run", "spark", "secrets")
UNDER_WAY = ("STARTING", "RUNNING", "BACKOFF")


class Stack:
    """The services of one `Settings`. Methods may be called from several threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.supervisor = Supervisor(settings)
        self._lock = threading.Lock()

    @property
    def password_path(self) -> Path:
        return passwords.folder(self.settings) / "superset_admin"

    @property
    def _superset_stamp(self) -> Path:
        return self.settings.path("run", "superset.stamp")

    def prepare(self) -> None:
        """Folders, secrets and the supervisor: what must be there before any service."""
        self._make_folders()
        passwords.generate(self.settings)
        self.supervisor.launch()

    def _make_folders(self) -> None:
        """The folders of the state, which are their owner's alone."""
        self.settings.path().mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in FOLDERS:
            self.settings.path(folder).mkdir(parents=True, exist_ok=True, mode=0o700)

    def start(self, *names: str, settings: Settings | None = None, wait: bool = True) -> None:
        """Starts the services, side by side, and waits until each has proved that it works.

        `settings` are what they run with where that differs from the stack's own. A service that runs already is left
        alone unless its settings or files have changed. Raises StepError with the end of its log when one fails.
        """
        self.supervisor.call("getPID")  # raises, saying what to do, when there is none
        together({name: lambda name=name: self._start(name, settings or self.settings, wait) for name in names})

    def _start(self, name: str, settings: Settings, wait: bool) -> None:
        service = MADE_BY[name](settings)
        service.prepare()
        with self._lock:
            self.supervisor.apply(service)
            if self.state(name) not in UNDER_WAY:
                self.supervisor.call("startProcess", name, False)
        if wait:
            self.wait_ready(name, settings)

    def wait_ready(self, name: str, settings: Settings | None = None) -> None:
        """Waits until the service works; raises StepError with the end of its log when it ends or takes too long."""
        final_exit_codes = MADE_BY[name](settings or self.settings).final_exit_codes
        deadline = time.monotonic() + readiness.DEADLINE_S[name]
        missing: str | None = "it has not started"
        attempts: set[int] = set()
        while time.monotonic() < deadline:
            info = self.supervisor.states().get(name, {})
            state, code = info.get("statename", "STOPPED"), info.get("exitstatus")
            attempts |= {info["pid"]} if info.get("pid") else set()
            if len(attempts) > ATTEMPTS:
                raise StepError(f"{name} has ended {ATTEMPTS} times. {self.log_tail(name)}")
            # supervisord starts a service again that has exited, unless it meant to.
            if state in ("FATAL", "STOPPED") or (state == "EXITED" and code in final_exit_codes):
                why = "it refuses to run" if code == os.EX_CONFIG else f"exit code {code}"
                raise StepError(f"{name} has ended ({why}). {self.log_tail(name)}")
            if state == "RUNNING":
                missing = readiness.missing(name, settings or self.settings)
                if missing is None:
                    return
            time.sleep(POLL_S)
        limit = readiness.DEADLINE_S[name]
        raise StepError(f"{name} does not work after {limit} s: {missing}. {self.log_tail(name)}")

    def stop(self, *names: str) -> None:
        """Stops the services as they wish to be stopped (SIGTERM first)."""
        known = self.supervisor.states()
        together({name: lambda name=name: self._stop(name) for name in names if name in known})

    def _stop(self, name: str) -> None:
        if self.state(name) in UNDER_WAY:
            self.supervisor.call("stopProcess", name)

    def kill(self, name: str) -> None:
        """SIGKILL to the service and all its children at once, as a crash would; supervisord starts it again."""
        processes = self.processes(name)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=10)

    def restart(self, *names: str) -> None:
        self.stop(*names)
        self.start(*names)

    def set_up_stores(self) -> None:
        """Users, schema and topics; changes nothing where they are there."""
        run([sys.executable, "-m", "stores"], {**os.environ, **as_environment(self.settings)}, ROOT)

    def set_up_superset(self) -> None:
        """Superset's metadata, roles, admin and dashboards; skipped when nothing has changed since the last time."""
        stamp = self._superset_stamp
        files = [ROOT / part for part in ("superset", "settings.py", "passwords.py", "requirements/superset.txt")]
        known = [name for name in passwords.NAMES if "superset" in name or "reader" in name]
        files += [passwords.folder(self.settings) / name for name in known]
        now = f"{digest(files)} {MADE_BY['superset'](self.settings).environment}"
        if stamp.exists() and stamp.read_text() == now:
            log.info("%-16s unchanged", "superset set-up")
            return
        environment = {**os.environ, **as_environment(self.settings)}
        run([SUPERSET_PYTHON, "superset/boot.py"], environment, ROOT)
        stamp.write_text(now)

    def up(self, names: Iterable[str] | None = None) -> None:
        """Starts the services in the order they need each other: servers, their set-up, then the rest.

        One that runs and has been switched off is stopped. Without names: all that are switched on.
        """
        names = switched_on(self.settings) if names is None else tuple(names)
        self.prepare()
        self.stop(*(name for name in SERVICES if name not in switched_on(self.settings)))
        self.start(*(name for name in names if name in SERVERS))
        if set(SERVERS) <= set(names):
            together({"stores": self.set_up_stores})

        def start_superset() -> None:
            self.set_up_superset()
            self._start("superset", self.settings, wait=True)

        rest = {
            name: lambda name=name: self._start(name, self.settings, True)
            for name in names
            if name not in (*SERVERS, "alerts")
        }
        if "superset" in rest:
            rest["superset"] = start_superset
        together(rest)
        if "alerts" in names:  # after what they watch, and after the set-up that makes them
            if "superset" not in names:
                self.set_up_superset()
            self.start("alerts")

    def down(self) -> None:
        """Stops everything, those who use the servers first, and the supervisor; keeps the data."""
        if self.supervisor.pid() is not None:
            self.stop(*(name for name in SERVICES if name not in SERVERS))
            self.stop(*SERVERS)
            self.supervisor.shut_down()
        self.supervisor.kill_all()

    def remove(self) -> None:
        """Stops everything and removes all data: what we made in the state folder, whatever else may lie in it."""
        self.down()
        for folder in FOLDERS:
            shutil.rmtree(self.settings.path(folder), ignore_errors=True)
        with contextlib.suppress(OSError):  # not there, or not ours alone
            self.settings.path().rmdir()

    def destroy(self) -> None:
        """Kills what runs and removes the state folder: for a stack in which nothing is worth a clean stop."""
        self.supervisor.kill_all()
        shutil.rmtree(self.settings.path(), ignore_errors=True)

    def state(self, name: str) -> str:
        """supervisord's word for the service's state; STOPPED when nothing is known of it."""
        return self.supervisor.states().get(name, {}).get("statename", "STOPPED")

    def processes(self, name: str) -> list[psutil.Process]:
        """The service's process and all below it; none when it does not run."""
        pid = self.supervisor.states().get(name, {}).get("pid")
        if not pid:
            return []
        try:
            root = psutil.Process(pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def status(self) -> list[ServiceStatus]:
        """One row a service."""
        rows = []
        for name in switched_on(self.settings):
            memory_bytes = 0
            for process in self.processes(name):
                with contextlib.suppress(psutil.NoSuchProcess):
                    memory_bytes += process.memory_full_info().pss
            address = MADE_BY[name](self.settings).address
            rows.append(ServiceStatus(name, self.state(name), memory_bytes, address))
        return rows

    def follow_log(self, name: str) -> None:
        """Becomes a program that shows the service's log and what is added to it."""
        path = self.log_path(name)
        if not path.exists():
            raise StepError(f"{name} has written no log yet in {path.parent}")
        os.execvp("tail", ["tail", "-n", "50", "-F", str(path)])  # noqa: S606

    def audit(self, *arguments: str) -> int:
        """Runs `python -m audit` and returns its exit code."""
        return self._run("audit", *arguments)

    def report(self, file: IO[bytes], *arguments: str) -> int:
        """Has `python -m reports` write to the file, and returns its exit code."""
        return self._run("reports", *arguments, stdout=file)

    def incident(self, *arguments: str) -> int:
        """Runs `python -m producer.incident` and returns its exit code."""
        if self.state("producer") != "RUNNING":
            raise StepError(NO_PRODUCER)
        return self._run("producer.incident", *arguments)

    def rebuild(self, *arguments: str) -> int:
        """Recomputes MySQL from Cassandra; returns the exit code. Spark stays stopped when it fails."""
        if beside_spark(arguments):
            return self._run("spark_jobs", "rebuild", *arguments)
        self.stop("spark")
        code = self._run("spark_jobs", "rebuild", *arguments)
        if code == 0:
            self.start("spark")
        return code

    def replay(self) -> int:
        """Validates dead letters anew, while Spark is stopped; returns the exit code."""
        self.stop("spark")
        code = self._run("spark_jobs", "replay")
        self.start("spark")
        return code

    def _place(self, part: str) -> Path:
        """Where a part of the data lies."""
        return self.settings.path("data", part) if part in SERVERS else self.settings.path(part)

    def pack(self, part: str, file: Path) -> None:
        """Copies a part of the data into a tar file of mode 0600. The stack must be stopped."""
        place = self._place(part)
        file.touch(mode=0o600)
        run(["tar", "--create", "--use-compress-program=gzip -1", f"--file={file}", f"--directory={place}", "."])

    def unpack(self, part: str, file: Path) -> None:
        """Puts a part of the data in the place of what is there. The stack must be stopped."""
        self._make_folders()
        place = self._place(part)
        unfinished = place.with_name(f"{place.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        run(["tar", "--extract", "--gzip", "--same-permissions", f"--file={file}", f"--directory={unfinished}"])
        shutil.rmtree(place, ignore_errors=True)
        unfinished.rename(place)
        self._superset_stamp.unlink(missing_ok=True)  # the dashboards in MySQL are older now

    def kafka_id(self) -> str | None:
        """The id that Kafka's data got when it was made; None where there is none."""
        properties = self._place("kafka") / "meta.properties"
        return cluster_id(properties.read_text()) if properties.exists() else None

    def _run(self, module: str, *arguments: str, stdout: IO[bytes] | None = None) -> int:
        environment = {**os.environ, **MADE_BY["spark"](self.settings).environment}
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(command, env=environment, cwd=ROOT, stdout=stdout, check=False).returncode

    def log_path(self, name: str) -> Path:
        return self.supervisor.logs_dir / f"{name}.log"

    def log_tail(self, name: str, lines: int = LOG_LINES) -> str:
        """The end of the service's log, with the path of the whole."""
        path = self.log_path(name)
        if not path.exists():
            return "It has written no log."
        tail = subprocess.run(["tail", "-n", str(lines), path], capture_output=True, text=True, check=True).stdout
        return f"The end of {path}:\n" + "".join(f"    {line}\n" for line in tail.splitlines())
