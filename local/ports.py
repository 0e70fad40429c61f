"""Which ports are taken, and by which process: read from /proc, for nothing is installed yet."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

LISTEN = "0A"
LOWEST = 20_000
OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
RESERVATIONS = Path(tempfile.gettempdir()) / f"tillstream-ports-{os.getuid()}"
"""A file a port, which is locked by the process that was given it."""


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, and this process's until it ends: no other one is given them.

    They are none of those that the kernel gives to outgoing connections. One of these may be taken before a server
    comes to listen on it, even by who looks whether it does.
    """
    RESERVATIONS.mkdir(exist_ok=True, mode=0o700)
    found = list(islice(filter(_reserve, _candidates()), count))
    if len(found) < count:
        raise OSError(f"there are no {count} free ports from {LOWEST} on, but for those of outgoing connections")
    return found


def _candidates() -> list[int]:
    first, last = map(int, OUTGOING.read_text().split())
    ports = [port for port in range(LOWEST, 65_536) if not first <= port <= last]
    random.shuffle(ports)
    return ports


def _reserve(port: int) -> bool:
    """Whether it is this process's from here on."""
    held = os.open(RESERVATIONS / str(port), os.O_WRONLY | os.O_CREAT, 0o600)  # until the process ends
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return False
    if not is_free("127.0.0.1", port):
        os.close(held)
        return False
    return True


def listening_inodes(table: str, port: int) -> set[str]:
    """The socket inodes that listen on the port, read from the text of /proc/net/tcp or tcp6."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[9] for row in rows if row[3] == LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port}


def _owners(inodes: set[str]) -> Iterator[int]:
    names = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
            if any(str(handle.readlink()) in names for handle in (process / "fd").iterdir()):
                yield int(process.name)


def owner(port: int) -> int | None:
    """The process that listens on the port; None when there is none or it can't be seen."""
    tables = (Path(f"/proc/net/{name}") for name in ("tcp", "tcp6"))
    inodes = set().union(*(listening_inodes(table.read_text(), port) for table in tables if table.exists()))
    return next(_owners(inodes), None) if inodes else None


def command(pid: int) -> str:
    """The command line of a process, shortened."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return words if len(words) <= 100 else f"{words[:97]}..."
