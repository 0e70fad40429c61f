"""Finds a Java 17: Spark 4 needs at least that, Cassandra 5 at most that."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

VERSION = 17


def major_version(text: str) -> int | None:
    """The major version that `java -version` states: 17 of `openjdk version "17.0.15"`, 8 of `"1.8.0_402"`."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if home := environment.get("JAVA_HOME"):
        yield Path(home)
    if program := shutil.which("java", path=environment.get("PATH")):
        yield Path(program).resolve().parent.parent
    yield from sorted(Path("/usr/lib/jvm").glob("*17*"))


@functools.cache
def home() -> Path | None:
    """The home of a Java 17, looked for in JAVA_HOME, PATH and /usr/lib/jvm; None where there is none."""
    for candidate in _candidates(os.environ):
        program = candidate / "bin" / "java"
        if not program.exists():
            continue
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
        if major_version(answer.stderr) == VERSION:
            return candidate
    return None
