"""The MySQL server: one on PATH that is new enough, or Debian's own, unpacked into a private folder.

Debian stable carries MariaDB only, which refuses the upsert that the aggregates are merged by. Debian unstable has the
real MySQL; its packages and the exact libraries they need are fetched by apt, which checks their signatures, and
unpacked beside the virtual environments. It runs through its own dynamic loader: the system is not touched.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.steps import run
from settings import INSTALL

OLDEST = (8, 4)
PREFIX = INSTALL / "mysql"
PACKAGES = ("mysql-server-core",)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_MIRROR = "http://deb.debian.org/debian"
"""For machines without a Debian mirror of their own (Ubuntu). What comes from it must be signed by Debian's keys."""

# Needed by scripts that nobody runs here.
SKIPPED = re.compile(r"(perl|libperl|libdb5|libgdbm|libtirpc-common|gcc-\d+-base|libc-gconv)")
LOADERS = {
    "x86_64": ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
    "aarch64": ("usr/lib/ld-linux-aarch64.so.1", "usr/lib/aarch64-linux-gnu"),
}


@dataclass(frozen=True)
class MySQLServer:
    """How to call `mysqld`: the program's words, and the options that name where its parts are."""

    program: tuple[str, ...]
    options: tuple[str, ...] = ()


def version(text: str) -> tuple[int, int] | None:
    """Major and minor version that `mysqld --version` states; None for MariaDB."""
    found = re.search(r"Ver (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found and "MariaDB" not in text else None


def on_path() -> MySQLServer | None:
    """The server on PATH, if it is MySQL 8.4 or later."""
    program = shutil.which("mysqld", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if not program:
        return None
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    found = version(answer.stdout)
    return MySQLServer((program,)) if found and found >= OLDEST else None


def unpacked(prefix: Path = PREFIX) -> MySQLServer | None:
    """The server of the private folder, if it is there."""
    program = prefix / "usr/sbin/mysqld"
    if platform.machine() not in LOADERS or not program.exists():
        return None
    loader, libraries = LOADERS[platform.machine()]
    return MySQLServer(
        (str(prefix / loader), "--library-path", str(prefix / libraries), "--argv0", "mysqld", str(program)),
        (
            f"--basedir={prefix / 'usr'}",
            f"--plugin-dir={prefix / 'usr/lib/mysql/plugin'}",
            f"--lc-messages-dir={prefix / 'usr/share/mysql'}",
        ),
    )


def find() -> MySQLServer:
    """The server to run; raises FileNotFoundError when none is installed."""
    server = on_path() or unpacked()
    if server is None:
        raise FileNotFoundError("MySQL is not installed: run 'make install'")
    return server


def mirror(sources: str) -> str:
    """The machine's own Debian mirror, read from the text of its apt sources."""
    found = re.search(r"https?://[^\s]+/debian/?(?=\s)", re.sub(r"(?m)^\s*#.*$", "", sources))
    return found[0].rstrip("/") if found else DEFAULT_MIRROR


def _apt_sources() -> str:
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*.list")]
    files += Path("/etc/apt/sources.list.d").glob("*.sources")
    return "\n".join(file.read_text() for file in files if file.exists()) + "\n"


def _apt_configuration(folder: Path) -> str:
    """Settings under which apt knows one repository, has nothing installed and writes only into `folder`."""
    return "\n".join(
        f'{key} "{value}";'
        for key, value in {
            "Dir::Etc::SourceList": folder / "sources.list",
            "Dir::Etc::SourceParts": folder / "no-parts",
            "Dir::State::Lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Install-Recommends": "0",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "0",
            "Debug::NoLocking": "1",
        }.items()
    )


def install() -> None:
    """Fetches and unpacks Debian's MySQL into the private folder; an interrupted run leaves nothing behind there."""
    work = PREFIX.with_name("mysql.unfinished")
    shutil.rmtree(work, ignore_errors=True)
    apt, prefix = work / "apt", work / "prefix"
    for folder in (apt / "no-parts", apt / "lists/partial", apt / "cache/archives/partial", prefix):
        folder.mkdir(parents=True)
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror(_apt_sources())} sid main\n")
    (apt / "apt.conf").write_text(_apt_configuration(apt))

    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C"}
    run(["apt-get", "-q", "update"], environment)
    run(["apt-get", "-q", "-y", "--download-only", "install", *PACKAGES], environment)
    for package in sorted((apt / "cache/archives").glob("*.deb")):
        if not SKIPPED.match(package.name):
            run(["dpkg-deb", "--extract", str(package), str(prefix)])

    server = unpacked(prefix)
    if server is None:
        raise RuntimeError(f"Debian's packages {PACKAGES} hold no mysqld for {platform.machine()}")
    run([*server.program, "--no-defaults", "--version"])
    shutil.rmtree(PREFIX, ignore_errors=True)
    prefix.rename(PREFIX)
    shutil.rmtree(work)
