"""The running containers have the rights that they need and no more, as the engine and the kernel see them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

import passwords
from local.compose.stack import ComposeStack
from local.runtime import switched_on
from settings import Settings
from tests.compose.inspection import inside, inspect, process_status, python, running

pytestmark = pytest.mark.compose

SERVICES = switched_on(Settings())

READ_ALL = "from pathlib import Path; print(*(p.read_text() for p in Path('/state/secrets').iterdir()))"


@pytest.mark.parametrize("service", SERVICES)
def test_no_process_has_rights_or_can_get_any(containers: ComposeStack, service: str) -> None:
    status = process_status(containers, service)
    assert "0" not in status["Uid"].split()
    assert {status[which].strip("0") for which in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {""}
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", SERVICES)
def test_limits_and_isolation(containers: ComposeStack, service: str) -> None:
    host = running(containers)[service]["HostConfig"]
    assert not host["Privileged"]
    assert host["ReadonlyRootfs"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert {"max-size", "max-file"} <= set(host["LogConfig"]["Config"])
    assert {host[space] for space in ("PidMode", "UTSMode", "UsernsMode")} == {""}
    assert not [bind for bind in host["Binds"] or () if "docker.sock" in bind]


@pytest.mark.parametrize("service", SERVICES)
def test_the_root_file_system_can_not_be_written(containers: ComposeStack, service: str) -> None:
    for folder in ("/", "/usr/bin", "/app"):
        assert "Read-only file system" in inside(containers, service, f"mkdir -p {folder}/mine").stderr


def test_only_superset_is_published_and_only_here(containers: ComposeStack) -> None:
    published = {
        (name, binding["HostIp"], int(binding["HostPort"]))
        for name, container in running(containers).items()
        for bindings in container["NetworkSettings"]["Ports"].values()
        for binding in bindings or ()
    }
    assert published == {("superset", "127.0.0.1", containers.settings.superset_port)}


def test_the_rest_is_on_a_network_without_a_way_out(containers: ComposeStack) -> None:
    networks = {name: set(one["NetworkSettings"]["Networks"]) for name, one in running(containers).items()}
    known = inspect(sorted(set().union(*networks.values())))
    ways_out = {network["Name"] for network in known if not network["Internal"]}
    assert {name for name, joined in networks.items() if joined & ways_out} == {"superset"}
    assert {network["Options"].get("com.docker.network.bridge.enable_ip_masquerade") for network in known} == {
        None,
        "false",
    }


def test_no_secret_is_in_a_command_an_environment_or_a_log(containers: ComposeStack) -> None:
    secrets = python(containers, "secrets", READ_ALL).stdout.split()
    assert len(secrets) == len(passwords.NAMES)
    seen = json.dumps(list(running(containers).values())) + containers.read("logs")
    seen += "".join(
        inside(containers, name, "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ").stdout for name in SERVICES
    )
    assert "MYSQL_PASSWORD_FILE" in seen
    assert not [secret for secret in secrets if secret in seen]


@pytest.mark.parametrize(("user", "password"), [("root", ""), ("root", "root"), ("reader", ""), ("spark", "spark")])
def test_mysql_has_no_default_password(containers: ComposeStack, user: str, password: str) -> None:
    code = f"import mysql.connector; mysql.connector.connect(host='mysql', user={user!r}, password={password!r})"
    assert "Access denied" in python(containers, "audit", code).stderr


@pytest.mark.parametrize("user", ["cassandra", "admin"])
def test_cassandra_has_no_default_password(containers: ComposeStack, user: str) -> None:
    code = (
        "from cassandra.cluster import Cluster; from cassandra.auth import PlainTextAuthProvider; "
        f"Cluster(['cassandra'], auth_provider=PlainTextAuthProvider({user!r}, {user!r})).connect()"
    )
    assert "AuthenticationFailed" in python(containers, "audit", code).stderr


@pytest.mark.parametrize("password", ["admin", "superset", "general", ""])
def test_superset_has_no_default_password(containers: ComposeStack, password: str) -> None:
    address = f"http://127.0.0.1:{containers.settings.superset_port}/api/v1/security/login"
    body = json.dumps({"username": "admin", "password": password, "provider": "db"}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)  # noqa: S310 - our own server
    assert refused.value.code in (400, 401)
    refused.value.close()
