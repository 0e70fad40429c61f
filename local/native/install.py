"""Installs what the stack runs with into .local/install: environments, jars and MySQL, side by side.

A part is installed when its stamp holds the hash of the files that it was made from. The stamp is written last, so an
interrupted installation is repeated; a lock keeps a second one out meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local import interpreter
from local.native import java, mysql_server
from local.steps import StepError, run, together
from settings import INSTALL, ROOT

log = logging.getLogger(__name__)

REQUIREMENTS = ROOT / "requirements"
PYTHONS = INSTALL / "python"
"""Where uv keeps a Python that it had to fetch."""

COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclass(frozen=True)
class Part:
    """Something to install: from which files, how, what needs to be there before, and whether the machine lacks it."""

    name: str
    sources: tuple[Path, ...]
    install: Callable[[], None]
    after: tuple[str, ...] = ()
    is_needed: Callable[[], bool] = lambda: True

    def digest(self) -> str:
        """A hash over the sources, the minor version of Python and the kind of machine."""
        total = hashlib.sha256(f"{sys.implementation.cache_tag} {platform.machine()}".encode())
        for source in self.sources:
            total.update(source.read_bytes())
        return total.hexdigest()

    @property
    def stamp(self) -> Path:
        return INSTALL / f"{self.name}.stamp"

    def is_installed(self) -> bool:
        return self.stamp.exists() and self.stamp.read_text() == self.digest()


def python_of(environment: str) -> Path:
    """The interpreter of the environment: `pipeline`, `superset`, `test` or `tools`."""
    return INSTALL / f"venv-{environment}" / "bin" / "python"


def _tools() -> None:
    target = INSTALL / "venv-tools"
    shutil.rmtree(target, ignore_errors=True)
    run([sys.executable, "-m", "venv", target])
    lock = REQUIREMENTS / "tools.txt"
    run([python_of("tools"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock])


def _environment(name: str) -> None:
    """Fills a virtual environment in place, for it can't be moved later: uv does it in seconds, else pip."""
    target, lock = INSTALL / f"venv-{name}", REQUIREMENTS / f"{name}.txt"
    shutil.rmtree(target, ignore_errors=True)
    uv = python_of("tools").with_name("uv")
    running = sys.version_info[:2]
    python = interpreter.for_environments(running, sys.executable)
    try:
        run([uv, "venv", "--quiet", "--python", python, target], {**os.environ, "UV_PYTHON_INSTALL_DIR": str(PYTHONS)})
        # Compiled now, or every start of Superset and of Spark's workers pays for it where none is written later.
        run([uv, "pip", "sync", "--quiet", "--compile-bytecode", "--python", python_of(name), "--require-hashes", lock])
    except StepError as error:
        if not interpreter.suits(running):
            raise StepError(f"{error}\n    {interpreter.REMEDY}") from error
        log.warning("%-16s uv can't, so pip does it, which takes minutes. %s", f"venv-{name}", error)
        shutil.rmtree(target, ignore_errors=True)
        run([sys.executable, "-m", "venv", target])
        run([python_of(name), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock])


def _jars(name: str, room: str) -> None:
    target = INSTALL / "jars" / name
    unfinished = target.with_name(f"{name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    environment = {**os.environ, "JAVA_HOME": str(java.home())}
    command = ["mvn", "-B", "-ntp", "-C", "-f", ROOT / room / "pom.xml", COPY_JARS]
    run([*command, "-DincludeScope=runtime", f"-DoutputDirectory={unfinished}"], environment)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)


def _java() -> None:
    shutil.rmtree(java.PREFIX, ignore_errors=True)
    tools, lock = python_of("tools"), REQUIREMENTS / "java.txt"
    uv = [tools.with_name("uv"), "pip", "install", "--quiet", "--python", tools]
    try:
        run([*uv, "--target", java.PREFIX, "--require-hashes", "-r", lock])
    except StepError as error:
        remedy = f"or install a Java {java.OF_CASSANDRA} for Cassandra and point JAVA_HOME at it"
        raise StepError(f"{error}\n    {remedy}") from error


def _parts() -> list[Part]:
    """All parts there are, what takes longest first."""
    return [
        Part("venv-tools", (REQUIREMENTS / "tools.txt",), _tools),
        *(
            Part(f"venv-{name}", (REQUIREMENTS / f"{name}.txt",), partial(_environment, name), after=("venv-tools",))
            for name in ("superset", "pipeline", "test")
        ),
        *(
            Part(f"jars-{name}", (ROOT / room / "pom.xml",), partial(_jars, name, room))
            for name, room in {"kafka": "kafka", "cassandra": "cassandra", "spark": "spark_jobs"}.items()
        ),
        Part(
            "mysql",
            (ROOT / "local" / "native" / "mysql_server.py",),
            mysql_server.install,
            is_needed=lambda: mysql_server.on_path() is None,
        ),
        Part(
            "java",
            (REQUIREMENTS / "java.txt",),
            _java,
            after=("venv-tools",),
            is_needed=lambda: java.for_cassandra(java.installed()) is None,
        ),
    ]


PARTS = {part.name: part for part in _parts()}
STACK_PARTS = tuple(name for name in PARTS if name != "venv-test")


@contextlib.contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Waits until no other process holds the lock file, saying so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%-16s another %s is going on, waiting for it", "lock", what)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def install(names: Iterable[str] = STACK_PARTS) -> None:
    """Installs the named parts that are missing or have changed; raises StepError with what failed."""
    wanted = set(names)
    if unknown := wanted - set(PARTS):
        raise StepError(f"there is no part {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    wanted |= {before for name in wanted for before in PARTS[name].after}
    with locked(INSTALL / "lock", "installation"):
        absent = (part for part in PARTS.values() if part.name in wanted and not part.is_installed())
        missing = [part for part in absent if part.is_needed()]
        if not missing:
            return
        log.info("%-16s %s", "installing", ", ".join(part.name for part in missing))
        ended = {part.name: threading.Event() for part in missing}

        def carry_out(part: Part) -> None:
            try:
                for name in part.after:
                    if name in ended:
                        ended[name].wait()
                    if not PARTS[name].is_installed():
                        raise StepError(f"it needs {name}")
                part.install()
                part.stamp.write_text(part.digest())
            finally:
                ended[part.name].set()

        together({part.name: partial(carry_out, part) for part in missing})


def relock() -> None:
    """Resolves requirements/*.in anew into hashed locks for every platform, without a registry's address."""
    uv = python_of("tools").with_name("uv")
    flags = ["--universal", "--python-version=3.11", "--generate-hashes", "--no-emit-index-url", "--upgrade", "--quiet"]
    for name in ("tools", "pipeline", "producer", "test", "superset", "java"):
        command = [
            uv,
            "pip",
            "compile",
            *flags,
            "--custom-compile-command=make lock",
            f"{name}.in",
            "-o",
            f"{name}.txt",
        ]
        subprocess.run(command, check=True, cwd=REQUIREMENTS)
        log.info("%-16s locked", name)
