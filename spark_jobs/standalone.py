"""`python -m spark_jobs.standalone`: exit code 0 where Spark's standalone master has this machine for an alive worker.

With `master` as its argument: where a master runs at all.
"""

from __future__ import annotations

import json
import socket
import sys
import urllib.request
from typing import Any

MASTER = "spark-master"
TIMEOUT_S = 5


def is_working(told: dict[str, Any], address: str | None) -> bool:
    """Whether the master, by its own word, works and has an alive worker at this address, if one is given."""
    workers = {worker["host"] for worker in told["workers"] if worker["state"] == "ALIVE"}
    return told["status"] == "ALIVE" and (address is None or address in workers)


def main(arguments: list[str]) -> int:
    with urllib.request.urlopen(f"http://{MASTER}:8080/json/", timeout=TIMEOUT_S) as answer:
        told = json.load(answer)
    address = None if arguments == ["master"] else socket.gethostbyname(socket.gethostname())
    return 0 if is_working(told, address) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
