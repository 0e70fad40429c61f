"""A Spark standalone cluster on this machine, for as long as a measurement takes: a master, and workers of a core each.

Each worker's processes are held to one core, as if it were a machine of its own; everything else has all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pyspark

from local.native import java
from local.ports import free_ports
from settings import ROOT, Settings, as_environment

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
DEADLINE_S = 60.0
STOP_S = 20.0


def address() -> str:
    """Where a master could be, as the setting SPARK_MASTER takes it."""
    [port] = free_ports(1)
    return f"spark://127.0.0.1:{port}"


@contextmanager
def running(settings: Settings, workers: int) -> Iterator[None]:
    """A master at `settings.spark_master`, and so many workers. Raises TimeoutError."""
    port = settings.spark_master.rsplit(":", 1)[1]
    [web_port] = free_ports(1)
    environment = {
        **os.environ,
        **as_environment(settings),  # the tasks load them
        "JAVA_HOME": str(java.home()),
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    folder = settings.path("spark-cluster")
    folder.mkdir(parents=True)
    with ExitStack() as started:

        def start(name: str, *words: str) -> subprocess.Popen[bytes]:
            log = started.enter_context((folder / f"{name}.log").open("wb"))
            program = subprocess.Popen(
                [SPARK_CLASS, f"org.apache.spark.deploy.{words[0]}", *words[1:]],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            started.callback(stop, program)
            return program

        start("master", "master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", str(web_port))
        for number, core in zip(range(workers), sorted(os.sched_getaffinity(0)), strict=False):
            program = start(
                f"worker-{number}",
                *("worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g"),
                *("--webui-port", "0", "--work-dir", str(folder / f"worker-{number}"), settings.spark_master),
            )
            os.sched_setaffinity(program.pid, {core})
        await_workers(f"http://127.0.0.1:{web_port}/json/", workers)
        yield


def stop(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    try:
        program.wait(STOP_S)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def await_workers(told_at: str, count: int) -> None:
    """Waits until the master knows so many alive workers. Raises TimeoutError."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(told_at, timeout=5) as answer:  # noqa: S310 - our own address
            if json.load(answer)["aliveworkers"] == count:
                return
        time.sleep(0.2)  # between two polls
    raise TimeoutError(f"Spark's master does not have {count} workers after {DEADLINE_S:.0f} s")
