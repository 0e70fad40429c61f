"""Looks for everything that would keep the stack from running, all at once, before anything is installed.

`gather` reads the facts of the machine, `findings` judges them: what is wrong and what mends it.
"""

from __future__ import annotations

import glob
import importlib.util
import logging
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import ports
from local.findings import Finding, report
from local.native import java, mysql_server
from local.native.services import STATE_VARIABLE
from local.steps import run, together
from settings import INSTALL, ROOT, Settings

log = logging.getLogger(__name__)

NEEDED_DISK_MB = 6000
PATH_LIMIT = 80
"""Unix sockets allow 107 bytes; ours lie below the state folder."""


HAVE_JAVA_17 = {("debian", "12"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}

FAKETIME = "/usr/lib*/*/faketime/libfaketimeMT.so.1"


def faketime() -> Path | None:
    """The library by which a single process sees another time; None without it."""
    return next((Path(path) for path in sorted(glob.glob(FAKETIME))), None)  # noqa: PTH207 - from the root folder


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of the machine.

    - system: ID and VERSION_ID of /etc/os-release, empty where it has none
    - ports: setting -> (port, who else holds it or None)
    """

    system: tuple[str, str]
    python: tuple[int, int]
    has_venv: bool
    has_java: bool
    has_maven: bool
    has_mysql: bool
    has_apt: bool
    has_debian_keyring: bool
    has_chromium: bool
    has_faketime: bool
    is_root: bool
    ports: Mapping[str, tuple[int, str | None]]
    is_running: bool
    memory_available_mb: int
    memory_needed_mb: int
    disk_free_mb: int
    state_path: str


def _package(problem: str, package: str, otherwise: str) -> Finding:
    return Finding(problem, f"sudo apt-get install {package} (elsewhere: {otherwise})", package)


def java_package(system: tuple[str, str]) -> str:
    """The package of the Java that suits best: 17, which Cassandra can share, where the system has it, else 21."""
    return f"openjdk-{17 if system in HAVE_JAVA_17 else 21}-jre-headless"


def venv_package(python: tuple[int, int]) -> str:
    """The package of the venv module of the Python that runs."""
    return f"python{python[0]}.{python[1]}-venv"


def findings(facts: Facts, *, for_tests: bool = False, for_chaos: bool = False) -> list[Finding]:
    """Everything that is wrong, in the order in which it is worth mending."""
    found = []
    if not facts.has_venv:
        problem = "Python's venv module is missing"
        found.append(_package(problem, venv_package(facts.python), "a Python with ensurepip"))
    if not facts.has_java:
        versions = f"{java.VERSIONS[0]} to {java.VERSIONS[-1]}"
        problem = f"there is no Java {versions} (Kafka and Spark run on no other)"
        found.append(_package(problem, java_package(facts.system), f"point JAVA_HOME at a Java {versions}"))
    if not facts.has_maven:
        found.append(_package("Maven is missing", "maven", "put mvn on PATH"))
    if not facts.has_mysql and not facts.has_apt:
        found.append(Finding("there is no MySQL 8.4 or later", "put its mysqld on PATH"))
    if not facts.has_mysql and facts.has_apt and not facts.has_debian_keyring:
        problem = "Debian's archive keys, which vouch for MySQL's packages, are missing"
        found.append(_package(problem, "debian-archive-keyring", "put a mysqld of MySQL 8.4 or later on PATH"))
    if for_tests and not facts.has_chromium:
        found.append(_package("Chromium is missing, which the browser tests drive", "chromium", "put chromium on PATH"))
    if for_chaos and not facts.has_faketime:
        problem = "libfaketime is missing, by which a process sees a wrong clock"
        found.append(_package(problem, "libfaketime", f"put it where {FAKETIME} looks"))
    for setting, (port, by) in facts.ports.items():
        if by:
            found.append(
                Finding(f"port {port} is in use by {by}", f"stop that, or set {setting} to a free port in .env")
            )
    if not facts.is_running and facts.memory_available_mb < facts.memory_needed_mb:
        problem = f"{facts.memory_available_mb} MB of memory are available, {facts.memory_needed_mb} are needed"
        found.append(Finding(problem, "stop other programs, or lower SPARK_DRIVER_MEMORY or CASSANDRA_HEAP in .env"))
    if facts.disk_free_mb < NEEDED_DISK_MB:
        problem = f"{facts.disk_free_mb} MB of disk are free at {ROOT}, {NEEDED_DISK_MB} are needed"
        found.append(Finding(problem, "free some, or move the checkout"))
    if len(facts.state_path.encode()) > PATH_LIMIT:
        problem = f"the path {facts.state_path} is too long for Unix sockets (limit {PATH_LIMIT})"
        found.append(Finding(problem, "move the checkout, or set STATE_DIR to a short path"))
    return found


def memory_needed_mb(settings: Settings) -> int:
    """What the whole stack takes at most: the heaps, what Java needs beside them, and the others as measured."""
    heaps_mb = sum(
        int(size[:-1]) * (1024 if size.endswith("g") else 1)
        for size in (settings.kafka_heap, settings.cassandra_heap, settings.spark_driver_memory)
    )
    beside_the_heaps_mb = 150 + 500 + 900  # Kafka, Cassandra, Spark with its Python workers
    mysql_mb, superset_mb, producer_mb = 300, 500, 100
    alerts_mb = 350 if settings.alert_webhook_url else 0
    return heaps_mb + beside_the_heaps_mb + mysql_mb + superset_mb + producer_mb + alerts_mb


def _memory_available_mb() -> int:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    available = next(int(words[1]) for words in lines if words[0] == "MemAvailable:") // 1024
    group = Path("/sys/fs/cgroup")
    limit = group / "memory.max"
    if limit.exists() and limit.read_text().strip() != "max":  # in a container
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(statistics["inactive_file"])
        available = min(available, (int(limit.read_text()) - used) // 2**20)
    return available


def is_running(settings: Settings) -> bool:
    """Whether the stack's supervisord, and so the native stack, runs."""
    try:
        pid = int(settings.path("run", "supervisord.pid").read_text())
        return "supervisord" in ports.command(pid)
    except (OSError, ValueError):
        return False


def _holder(port: int, settings: Settings) -> str | None:
    """Who else keeps the port from us, in words."""
    if ports.is_free("127.0.0.1", port):
        return None
    pid = ports.owner(port)
    if pid is None:
        return "a process that this user can't see"
    own = f"{STATE_VARIABLE}={settings.path()}".encode()
    if own in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        return None
    return f"process {pid} ({ports.command(pid)})"


def _system() -> tuple[str, str]:
    try:
        told = platform.freedesktop_os_release()
    except OSError:
        told = {}
    return told.get("ID", ""), told.get("VERSION_ID", "")


def gather(settings: Settings, *, with_ports: bool = True) -> Facts:
    """Reads the facts of this machine."""
    numbers = {name.upper(): number for name, number in vars(settings).items() if name.endswith("_port")}
    jars = ("kafka", "cassandra", "spark")
    return Facts(
        system=_system(),
        python=sys.version_info[:2],
        has_venv=importlib.util.find_spec("ensurepip") is not None,
        has_java=java.home() is not None,
        has_maven=shutil.which("mvn") is not None or all((INSTALL / "jars" / name).exists() for name in jars),
        has_mysql=mysql_server.on_path() is not None or mysql_server.unpacked() is not None,
        has_apt=shutil.which("apt-get") is not None,
        has_debian_keyring=mysql_server.KEYRING.exists(),
        has_chromium=any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")),
        has_faketime=faketime() is not None,
        is_root=os.geteuid() == 0,
        ports={name: (port, _holder(port, settings)) for name, port in numbers.items() if with_ports},
        is_running=is_running(settings),
        memory_available_mb=_memory_available_mb(),
        memory_needed_mb=memory_needed_mb(settings),
        disk_free_mb=shutil.disk_usage(ROOT).free // 2**20,
        state_path=str(settings.path()),
    )


def _apt_install(packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-q", "update"], environment)
    run(["apt-get", "-q", "-y", "--no-install-recommends", "install", *packages], environment)


def preflight(settings: Settings, *, for_tests: bool = False, for_chaos: bool = False) -> None:
    """Raises StepError with everything that is missing; as root, installs the missing system packages first."""

    def look() -> tuple[Facts, list[Finding]]:
        facts = gather(settings, with_ports=not (for_tests or for_chaos))
        return facts, findings(facts, for_tests=for_tests, for_chaos=for_chaos)

    facts, found = look()
    packages = [finding.package for finding in found if finding.package]
    if packages and facts.is_root and facts.has_apt:
        for finding in found:
            if finding.package:
                log.info("%-16s %s: apt-get install %s", "preflight", finding.problem, finding.package)
        together({"system packages": lambda: _apt_install(packages)})
        java.installed.cache_clear()
        facts, found = look()
    report(found)
