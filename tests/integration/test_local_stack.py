"""The services as the native runtime keeps them: working, alone with their secrets, and back after a crash."""

from __future__ import annotations

import stat

import psutil
import pytest

from local.native.stack import Stack
from local.runtime import SERVERS
from local.steps import StepError
from local.throwaway import throwaway_stack
from tests.exposure import assert_no_secret_is_seen

pytestmark = pytest.mark.integration


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
    assert_no_secret_is_seen(native, *SERVERS)


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
