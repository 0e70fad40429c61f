"""What the services are started with."""

import uuid
from pathlib import Path

import pytest

from local import services
from settings import Settings


def test_a_cluster_id_that_begins_with_a_hyphen_is_not_taken_for_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(services, "run", lambda command, _environment: commands.append(command))
    monkeypatch.setattr(services.java, "home", lambda: tmp_path)
    monkeypatch.setattr(services.uuid, "uuid4", lambda: uuid.UUID(bytes=b"\xfb" * 16))
    services.kafka(Settings(state_dir=str(tmp_path))).prepare()
    assert "--cluster-id=-_v7-_v7-_v7-_v7-_v7-w" in commands[0]
