"""What preflight finds from given facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.native.mysql_server import DEFAULT_MIRROR, mirror, version
from local.native.preflight import Facts, findings, memory_needed_mb
from local.ports import listening_inodes
from settings import Settings

FINE = Facts(
    system=("debian", "12"),
    python=(3, 11),
    has_venv=True,
    has_java=True,
    has_maven=True,
    has_mysql=True,
    has_apt=True,
    has_debian_keyring=True,
    has_chromium=True,
    has_faketime=True,
    is_root=False,
    ports={"KAFKA_PORT": (19092, None), "MYSQL_PORT": (13306, None)},
    is_running=False,
    memory_available_mb=8000,
    memory_needed_mb=5000,
    disk_free_mb=20_000,
    state_path="/srv/shop/.local/state",
)


def test_nothing_is_found_on_a_machine_that_has_all() -> None:
    assert findings(FINE, for_tests=True) == []


@pytest.mark.parametrize(
    ("change", "problem", "remedy", "package"),
    [
        ({"has_venv": False}, "venv", "apt-get install python3.11-venv", "python3.11-venv"),
        ({"has_java": False}, "Java 17 to 21", "JAVA_HOME", "openjdk-17-jre-headless"),
        ({"has_maven": False}, "Maven", "apt-get install maven", "maven"),
        ({"has_mysql": False, "has_apt": False}, "MySQL", "PATH", ""),
        ({"has_mysql": False, "has_debian_keyring": False}, "keys", "debian-archive-keyring", "debian-archive-keyring"),
        ({"has_chromium": False}, "Chromium", "apt-get install chromium", "chromium"),
        ({"has_faketime": False}, "wrong clock", "apt-get install libfaketime", "libfaketime"),
        ({"ports": {"MYSQL_PORT": (13306, "process 7 (other)")}}, "13306 is in use by process 7", "MYSQL_PORT", ""),
        ({"memory_available_mb": 4999}, "4999 MB of memory", "CASSANDRA_HEAP", ""),
        ({"disk_free_mb": 100}, "100 MB of disk", "free some", ""),
        ({"state_path": "/" + "x" * 100}, "too long", "STATE_DIR", ""),
    ],
)
def test_each_missing_thing_is_found_with_what_mends_it(change: dict, problem: str, remedy: str, package: str) -> None:
    (found,) = findings(replace(FINE, **change), for_tests=True, for_chaos=True)
    assert problem in found.problem
    assert remedy in found.remedy
    assert found.package == package


@pytest.mark.parametrize(
    ("system", "python", "packages"),
    [
        (("debian", "12"), (3, 11), ["python3.11-venv", "openjdk-17-jre-headless"]),
        (("debian", "13"), (3, 13), ["python3.13-venv", "openjdk-21-jre-headless"]),
        (("ubuntu", "22.04"), (3, 10), ["python3.10-venv", "openjdk-17-jre-headless"]),
        (("ubuntu", "24.04"), (3, 12), ["python3.12-venv", "openjdk-17-jre-headless"]),
        (("", ""), (3, 14), ["python3.14-venv", "openjdk-21-jre-headless"]),
    ],
)
def test_packages_are_called_what_the_system_calls_them(
    system: tuple[str, str], python: tuple[int, int], packages: list[str]
) -> None:
    bare = replace(FINE, system=system, python=python, has_venv=False, has_java=False)
    assert [found.package for found in findings(bare)] == packages


def test_everything_is_found_at_once() -> None:
    bare = replace(
        FINE, has_java=False, has_maven=False, disk_free_mb=1, ports={"KAFKA_PORT": (19092, "process 1 (x)")}
    )
    assert len(findings(bare)) == 4


def test_chromium_matters_to_tests_only() -> None:
    assert findings(replace(FINE, has_chromium=False)) == []


def test_a_wrong_clock_matters_to_chaos_only() -> None:
    assert findings(replace(FINE, has_faketime=False), for_tests=True) == []


def test_a_running_stack_already_has_its_memory() -> None:
    assert findings(replace(FINE, is_running=True, memory_available_mb=10)) == []


def test_debian_s_mysql_needs_no_server_on_path() -> None:
    assert findings(replace(FINE, has_mysql=False)) == []


def test_smaller_heaps_need_less_memory() -> None:
    assert memory_needed_mb(Settings()) - memory_needed_mb(Settings(spark_driver_memory="512m")) == 512


def test_the_default_stack_needs_at_most_5_gb() -> None:
    assert memory_needed_mb(Settings()) <= 5000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", (9, 7)),
        ("/usr/sbin/mysqld  Ver 8.4.3 for Linux on x86_64 (MySQL Community Server - GPL)", (8, 4)),
        ("mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64", None),
    ],
)
def test_mariadb_is_no_mysql(text: str, expected: tuple[int, int] | None) -> None:
    assert version(text) == expected


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("deb http://ftp.de.debian.org/debian/ bookworm main\n", "http://ftp.de.debian.org/debian"),
        ("Types: deb\nURIs: https://mirror.example/debian\nSuites: bookworm\n", "https://mirror.example/debian"),
        ("deb http://deb.debian.org/debian-security bookworm-security main\n", DEFAULT_MIRROR),
        ("deb http://archive.ubuntu.com/ubuntu jammy main\n", DEFAULT_MIRROR),
        ("# deb http://old.example/debian buster main\n", DEFAULT_MIRROR),
    ],
)
def test_the_machine_s_own_debian_mirror_is_used(sources: str, expected: str) -> None:
    assert mirror(sources) == expected


def test_only_listening_sockets_hold_a_port() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:4A94 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 111 1\n"
        "   1: 0100007F:4A94 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000 0 222 1\n"
        "   2: 0100007F:4A95 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 333 1\n"
    )
    assert listening_inodes(table, 0x4A94) == {"111"}
