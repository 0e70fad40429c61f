"""The configuration that is written for supervisord is what supervisord reads."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from local.native.services import Service
from local.native.supervisor import render_daemon, render_service
from local.steps import StepError

AWKWARD_VALUE = "50% \\ back, comma;semicolon 'single' in a/b=c"
AWKWARD = "50% \"quoted\" \\ back, comma;semicolon 'single'"


AWKWARD_FOLDER = "Shop_2/job@2.c++-x"
"""What a STATE_DIR may be called at the worst."""


@pytest.fixture
def read_back(tmp_path: Path):
    """Writes the configuration of a service, has supervisord parse it, and returns what it understood."""
    folder = tmp_path / AWKWARD_FOLDER

    def read(service: Service):
        (folder / "services").mkdir(parents=True)
        (folder / "services" / f"{service.name}.conf").write_text(render_service(service, folder / "logs"))
        (folder / "logs").mkdir()
        (folder / "supervisord.conf").write_text(render_daemon(folder, folder / "logs"))
        options = ServerOptions()
        options.realize(args=["-c", str(folder / "supervisord.conf")])
        (group,) = options.process_group_configs
        (program,) = group.process_configs
        return options, program

    return read


def test_awkward_words_arrive_as_they_are(read_back) -> None:
    _, program = read_back(Service("kafka", ("/bin/echo", AWKWARD, "a b"), {"NAME": AWKWARD_VALUE}))
    assert shlex.split(program.command) == ["/bin/echo", AWKWARD, "a b"]
    assert program.environment["NAME"] == AWKWARD_VALUE


def test_a_value_that_can_not_be_written_is_refused() -> None:
    with pytest.raises(StepError, match="STATE_DIR must not hold a double quote"):
        render_service(Service("kafka", ("/bin/true",), {"STATE_DIR": 'a"b'}), Path())


def test_a_server_always_comes_back(read_back) -> None:
    _, program = read_back(Service("kafka", ("/bin/true",), {}))
    assert program.autorestart.__name__ == "RestartUnconditionally"


def test_a_refusal_is_final(read_back) -> None:
    _, program = read_back(Service("spark", ("/bin/true",), {}, final_exit_codes=(0, os.EX_CONFIG)))
    assert program.autorestart.__name__ == "RestartWhenExitUnexpected"
    assert program.exitcodes == [0, os.EX_CONFIG]


def test_the_whole_process_group_is_stopped(read_back) -> None:
    _, program = read_back(Service("spark", ("/bin/true",), {}))
    assert program.stopasgroup
    assert program.killasgroup


def test_only_its_user_may_open_the_socket_and_no_port_is_opened(read_back) -> None:
    options, _ = read_back(Service("kafka", ("/bin/true",), {}))
    (server,) = options.server_configs
    assert server["chmod"] == 0o700
    assert Path(server["file"]).parts[-3:] == (*Path(AWKWARD_FOLDER).parts, "supervisor.sock")


def test_a_service_is_another_one_when_its_files_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.native.services.ROOT", tmp_path)
    source = tmp_path / "server.properties"
    source.write_text("a=1\n")
    service = Service("kafka", ("/bin/true",), {}, sources=("server.properties",))
    before = render_service(service, tmp_path)
    assert render_service(service, tmp_path) == before
    source.write_text("a=2\n")
    assert render_service(service, tmp_path) != before


def test_every_service_runs_in_utc_whatever_the_host_has(read_back, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    _, program = read_back(Service("superset", ("/bin/true",), {}))
    assert program.environment["TZ"] == "UTC"
