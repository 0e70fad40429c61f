"""What the services are started with."""

import uuid
from pathlib import Path

import pytest

from local.native import services
from local.runtime import SERVICES
from settings import ROOT, Settings


def test_a_cluster_id_that_begins_with_a_hyphen_is_not_taken_for_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(services, "run", lambda command, _environment: commands.append(command))
    monkeypatch.setattr(services.java, "home", lambda: tmp_path)
    monkeypatch.setattr(services.uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xfb" * 16))
    services.kafka(Settings(state_dir=str(tmp_path))).prepare()
    assert "--cluster-id=-_v7-_v7-_v7-_v7-_v7-w" in commands[0]


def test_a_program_is_not_told_other_programs_settings() -> None:
    for program in services.PROGRAMS:
        told = getattr(services, program)(Settings()).environment
        assert {name.split("_")[0].lower() for name in told} & set(services.PROGRAMS) == {program}
        assert {"KAFKA_PORT", "MYSQL_PORT", "STATE_DIR"} <= told.keys()
        assert ("ALERT_WEBHOOK_URL" in told) == (program == "superset")


def test_every_service_is_made() -> None:
    assert tuple(services.MADE_BY) == SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_is_made_of_is_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.java, "home", lambda: tmp_path)
    monkeypatch.setattr(services.java, "cassandra_home", lambda: tmp_path)
    sources = services.MADE_BY[name](Settings()).sources
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
