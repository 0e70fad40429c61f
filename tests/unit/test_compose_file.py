"""docker-compose.yml and the Dockerfiles agree with what is stated elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from local.compose.secret_volumes import GIVEN
from local.native import services
from local.native.install import COPY_JARS
from local.runtime import SERVERS, SERVICES, switched_on
from settings import ROOT, Settings, as_environment

TEXT = (ROOT / "docker-compose.yml").read_text()
FILE = yaml.safe_load(TEXT)
CONTAINERS = FILE["services"]
ONLY_NATIVE = {"RUNTIME", "KAFKA_CONTROLLER_PORT", "CASSANDRA_STORAGE_PORT"}
ONLY_FOR_SERVERS = {"KAFKA_HEAP", "CASSANDRA_HEAP"}


def version(pom: Path, artifact: str) -> str:
    return re.search(rf"<artifactId>{artifact}</artifactId>\s*<version>(.+?)</version>", pom.read_text())[1]


def missing(given: Iterable[str]) -> set[str]:
    """What of ours is imported by these files, and by those in these folders, and is not among them."""
    paths = [ROOT / name for name in given]
    files = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    ours = {file.stem for file in ROOT.glob("*.py")} | {file.parent.name for file in ROOT.glob("*/__init__.py")}
    there = {path.relative_to(ROOT).with_suffix("").parts[0] for path in paths}
    return {name.split(".")[0] for name in names} & ours - there


def test_every_setting_reaches_the_containers() -> None:
    names = {field.name.upper() for field in fields(Settings)}
    ours = (one["environment"] for one in CONTAINERS.values() if one["image"].startswith("tillstream/"))
    assert set().union(*ours) - {"SPARK_DAEMON_MEMORY"} == names - ONLY_NATIVE - ONLY_FOR_SERVERS
    assert set(re.findall(r"\$\{(\w+)", TEXT)) >= ONLY_FOR_SERVERS


def test_defaults_are_those_of_the_settings() -> None:
    stated = dict(re.findall(r"\$\{(\w+):-([^${}]*)\}", TEXT))
    defaults = as_environment(Settings())
    assert stated == {name: defaults[name] for name in stated}


@pytest.mark.parametrize(
    ("service", "room", "artifact"), [("kafka", "kafka", r"kafka_2\.13"), ("cassandra", "cassandra", "cassandra-all")]
)
def test_both_runtimes_have_the_same_version(service: str, room: str, artifact: str) -> None:
    assert CONTAINERS[service]["image"].split(":")[1] == version(ROOT / room / "pom.xml", artifact)


def test_both_runtimes_copy_jars_in_the_same_way() -> None:
    assert COPY_JARS in (ROOT / "spark_jobs" / "Dockerfile").read_text()


@pytest.mark.parametrize("room", ["spark_jobs", "producer", "superset"])
def test_an_image_has_what_its_code_imports(room: str) -> None:
    lines = re.findall(r"^COPY ((?!--|requirements).+) \S+$", (ROOT / room / "Dockerfile").read_text(), re.MULTILINE)
    copied = [word for line in lines for word in line.split() if not word.endswith(".xml")]
    assert missing(copied) == set()
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied if (ROOT / name).parent == ROOT and name.endswith(".py")} <= set(sent)


def test_the_container_that_makes_the_secrets_has_what_it_imports() -> None:
    mounted = [volume.split(":")[0] for volume in CONTAINERS["secrets"]["volumes"] if volume.startswith("./")]
    assert missing(name for name in mounted if name.endswith(".py")) == set()


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in SERVERS])
def test_both_runtimes_ask_a_program_in_the_same_way_whether_it_works(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.java, "home", lambda: Path("/"))
    _, *words = services.MADE_BY[name](Settings()).healthy
    assert CONTAINERS[name]["healthcheck"]["test"] == ["CMD", "python", *words]


def test_every_service_of_the_front_door_is_a_container() -> None:
    assert set(SERVICES) <= set(CONTAINERS)


def test_each_container_mounts_its_own_secrets_and_as_the_user_who_may_read_them() -> None:
    built = {
        one["image"]: (ROOT / one["build"]["dockerfile"]).read_text() for one in CONTAINERS.values() if "build" in one
    }
    for name, container in CONTAINERS.items():
        shares = [volume for volume in container.get("volumes", ()) if volume.startswith("secrets-")]
        if name == "secrets" or not shares:
            continue
        [share] = shares
        volume, path, access = share.split(":")
        assert (path, access) in {("/run/secrets", "ro"), ("/state/secrets", "ro")}
        user = str(GIVEN[volume.removeprefix("secrets-")].user)
        stated = built.get(container["image"]) or f"USER {container['user']}"
        assert f"USER {user}:{user}" in stated


def test_every_share_has_its_volume() -> None:
    shared = {volume.split(":")[0] for volume in CONTAINERS["secrets"]["volumes"]} & set(FILE["volumes"])
    assert shared == {"secrets", *(f"secrets-{name}" for name in GIVEN)}


def test_a_laptop_with_6_gb_for_docker_has_room() -> None:
    def mb(size: str) -> int:
        return int(size[:-1]) * {"m": 1, "g": 1024}[size[-1]]

    assert sum(mb(CONTAINERS[name]["mem_limit"]) for name in switched_on(Settings())) <= 6000
    assert all("mem_limit" in container for container in CONTAINERS.values())
