"""The services as the native runtime keeps them: working, alone with their secrets, and back after a crash."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator

import psutil
import pytest

from local.runtime import chosen
from local.services import SERVERS
from local.stack import Stack
from local.steps import StepError
from local.throwaway import throwaway_stack
from settings import SECRETS, load

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def native(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The session's stack where its servers are processes, else one of its own."""
    if chosen(load()) == "native":
        yield request.getfixturevalue("stack")
    else:
        with throwaway_stack() as running:
            yield running


def pids(stack: Stack) -> dict[str, int]:
    return {name: stack.supervisor.states()[name]["pid"] for name in SERVERS}


def test_starting_what_runs_changes_nothing(native: Stack) -> None:
    before = pids(native)
    native.up(SERVERS)
    assert pids(native) == before


@pytest.mark.parametrize("name", SERVERS)
def test_a_killed_server_comes_back_by_itself(native: Stack, name: str) -> None:
    before = pids(native)[name]
    native.kill(name)
    native.wait_ready(name)
    assert pids(native)[name] != before


def test_no_secret_is_on_a_command_line_in_an_environment_or_in_a_log(native: Stack) -> None:
    known = [native.settings.secret(name) for name in SECRETS]
    seen = [path.read_text(errors="replace") for path in native.supervisor.logs_dir.iterdir()]
    seen += [path.read_text() for path in native.supervisor.run_dir.rglob("*.conf")]
    for process in native.supervisor.processes():
        with contextlib.suppress(psutil.Error):
            seen += [*process.cmdline(), *process.environ().values()]
    assert len(seen) > len(SERVERS)
    assert not [secret for secret in known if any(secret in text for text in seen)]


def test_the_state_is_its_owner_s_alone(native: Stack) -> None:
    folders = [native.settings.path(), *(path for path in native.settings.path().iterdir() if path.is_dir())]
    assert not [folder for folder in folders if stat.S_IMODE(folder.stat().st_mode) & 0o077]


def test_every_server_listens_on_this_machine_only(native: Stack) -> None:
    listening = [
        connection.laddr.ip
        for process in native.supervisor.processes()
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= len(SERVERS)
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_a_service_that_can_not_start_shows_the_end_of_its_log(native: Stack) -> None:
    reason = pytest.raises(StepError, match=r"(?s)mysql .*The end of .*mysql.log:.*[Aa]ddress already in use")
    with throwaway_stack(services=(), mysql_port=native.settings.mysql_port) as second, reason:
        second.start("mysql")
