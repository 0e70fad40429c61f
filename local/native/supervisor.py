"""supervisord: the configuration we write for it, and the way to talk to it.

Each service is a file of its own in the run folder, so that one can be added, changed or restarted without the others.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import xmlrpc.client  # nosec B411
from collections.abc import Mapping
from pathlib import Path

import psutil
from supervisor.xmlrpc import SupervisorTransport

from local.native.services import STATE_VARIABLE, Service
from local.steps import StepError
from settings import ROOT, Settings

LOG_BYTES = 20_000_000
LOG_BACKUPS = 3


def escape(text: str) -> str:
    """supervisord expands % in every value."""
    return text.replace("%", "%%")


def quote_word(word: str) -> str:
    """A word of a command, as supervisord's shlex reads it back."""
    return '"' + escape(word).replace("\\", "\\\\").replace('"', '\\"') + '"'


def quote_value(name: str, value: str) -> str:
    """A variable's value; supervisord knows no way to write a double quote there."""
    if '"' in value:
        raise StepError(f"{name} must not hold a double quote: {value}")
    return f'"{escape(value)}"'


def section(name: str, values: Mapping[str, object]) -> str:
    return "\n".join([f"[{name}]", *(f"{key}={value}" for key, value in values.items())]) + "\n"


def render_daemon(run_dir: Path, logs_dir: Path) -> str:
    """The daemon's own configuration: a Unix socket that only its user may open, no port."""
    return "\n".join(
        (
            section("unix_http_server", {"file": escape(str(run_dir / "supervisor.sock")), "chmod": "0700"}),
            section(
                "supervisord",
                {
                    "logfile": escape(str(logs_dir / "supervisord.log")),
                    "logfile_maxbytes": LOG_BYTES,
                    "logfile_backups": LOG_BACKUPS,
                    "pidfile": escape(str(run_dir / "supervisord.pid")),
                    "directory": escape(str(ROOT)),
                    "umask": "077",
                },
            ),
            section(
                "rpcinterface:supervisor",
                {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
            ),
            section("include", {"files": escape(str(run_dir / "services" / "*.conf"))}),
        )
    )


def render_service(service: Service, logs_dir: Path) -> str:
    """One service's section. It changes when the service's files change, which is how `up` knows what to restart."""
    # Superset takes "the last hour" by its process's time zone, and compares it with times that are UTC.
    environment = {"TZ": "UTC", **service.environment, "TILLSTREAM_SOURCES": service.digest()}
    values = {
        "command": " ".join(quote_word(word) for word in service.command),
        "environment": ",".join(f"{key}={quote_value(key, value)}" for key, value in sorted(environment.items())),
        "directory": escape(str(ROOT)),
        "autostart": "false",
        "autorestart": "unexpected" if service.final_exit_codes else "true",
        "startsecs": 1,
        "startretries": 5,
        "stopsignal": "TERM",
        "stopwaitsecs": service.stop_wait_s,
        "stopasgroup": "true",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": escape(str(logs_dir / f"{service.name}.log")),
        "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": LOG_BACKUPS,
    }
    if service.final_exit_codes:
        values["exitcodes"] = ",".join(str(code) for code in service.final_exit_codes)
    return section(f"program:{service.name}", values)


class NotRunningError(StepError):
    """The stack's supervisord does not answer."""


class Supervisor:
    """The supervisord of one stack. What it answers comes over a socket that only its user may open."""

    def __init__(self, settings: Settings) -> None:
        self.state_dir = settings.path()
        self.run_dir = settings.path("run")
        self.logs_dir = settings.path("logs")
        self._socket = self.run_dir / "supervisor.sock"

    def pid(self) -> int | None:
        """The daemon's process id, None when it does not answer."""
        try:
            return int(self.call("getPID"))
        except NotRunningError:
            return None

    def call(self, method: str, *arguments: object) -> object:
        """One remote call in supervisord's own namespace.

        Raises NotRunningError when the daemon is not there, StepError when it can't do what was asked.
        """
        transport = SupervisorTransport(serverurl=f"unix://{self._socket}")
        try:
            with xmlrpc.client.ServerProxy("http://supervisor", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except OSError as error:
            raise NotRunningError(f"the stack in {self.state_dir} is not running: run 'make up'") from error
        except xmlrpc.client.Fault as fault:
            raise StepError(
                f"supervisord can't {method} {' '.join(map(str, arguments))}: {fault.faultString}"
            ) from fault
        finally:
            transport.close()

    def launch(self) -> None:
        """Starts the daemon unless it runs; what a killed one has left behind is ended first."""
        if self.pid() is not None:
            return
        self.kill_all()
        (self.run_dir / "services").mkdir(parents=True, exist_ok=True)
        self.logs_dir.mkdir(parents=True, exist_ok=True)
        configuration = self.run_dir / "supervisord.conf"
        configuration.write_text(render_daemon(self.run_dir, self.logs_dir))
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", configuration]
        environment = {**os.environ, STATE_VARIABLE: str(self.state_dir)}
        # Our own modules are compiled once, not by each of Spark's workers.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        subprocess.run(command, check=True, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL)

    def shut_down(self) -> None:
        """Ends the daemon, which removes its socket."""
        daemon = psutil.Process(self.pid())
        self.call("shutdown")
        with contextlib.suppress(psutil.TimeoutExpired):
            daemon.wait(timeout=30)

    def processes(self) -> list[psutil.Process]:
        """Every process of this stack, the oldest first: the daemon, what it started, and orphans of an earlier one."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(STATE_VARIABLE) == str(self.state_dir):
                    found.append(process)
        return sorted(found, key=lambda process: process.create_time())

    def kill_all(self) -> None:
        """Ends every process of this stack at once, the daemon first so that it starts nothing again."""
        while left := self.processes():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=10)

    def apply(self, service: Service) -> None:
        """Makes the daemon know the service as it is now; one that has changed is stopped, to be started anew."""
        path = self.run_dir / "services" / f"{service.name}.conf"
        path.write_text(render_service(service, self.logs_dir))
        [[added, changed, removed]] = self.call("reloadConfig")
        for name in changed:
            self._forget(name)
        for name in removed:
            self._forget(name)
        for name in (*added, *changed):
            self.call("addProcessGroup", name)

    def _forget(self, name: str) -> None:
        self.call("stopProcessGroup", name)
        self.call("removeProcessGroup", name)

    def states(self) -> dict[str, dict]:
        """What supervisord knows of each service (its ProcessInfo: statename, pid, exitstatus, ...)."""
        try:
            return {info["name"]: info for info in self.call("getAllProcessInfo")}
        except NotRunningError:
            return {}
