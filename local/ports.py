"""Which ports are taken, and by which process: read from /proc, for nothing is installed yet."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"


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
    """Ports that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


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
