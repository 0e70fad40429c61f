"""How the command line reads what Docker says, and which project it speaks of."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from local.compose import engine
from local.compose.stack import ComposeStack, folder, memory_bytes, state
from local.steps import StepError
from settings import ROOT, Settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [("231.5MiB / 700MiB", 242_745_344), ("1.5GiB / 2GiB", 1_610_612_736), ("0B / 0B", 0), ("512KiB / 1GiB", 524_288)],
)
def test_memory_is_read(text: str, expected: int) -> None:
    assert memory_bytes(text) == expected


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"State": "running", "Health": "healthy"}, "RUNNING"),
        ({"State": "running", "Health": "starting"}, "STARTING"),
        ({"State": "running", "Health": "unhealthy"}, "UNHEALTHY"),
        ({"State": "restarting", "Health": ""}, "RESTARTING"),
        ({"State": "exited", "Health": ""}, "EXITED"),
    ],
)
def test_only_what_has_proved_to_work_is_running(container: dict, expected: str) -> None:
    assert state(container) == expected


def test_a_state_folder_of_its_own_is_a_project_of_its_own(tmp_path) -> None:
    one, other = (ComposeStack(Settings(state_dir=str(tmp_path / name))).environment for name in "ab")
    assert one["COMPOSE_PROJECT_NAME"] != other["COMPOSE_PROJECT_NAME"]


def test_settings_that_are_not_the_environments_are_handed_on() -> None:
    environment = ComposeStack(Settings(producer_rate=7.0, spark_master="spark://spark-master:7077")).environment
    assert environment["PRODUCER_RATE"] == "7.0"
    assert environment["COMPOSE_PROFILES"] == "cluster"
    # One that is merely named would make Compose start containers anew that another command has started without it.
    assert "PRODUCER_LATE" not in environment


def test_an_incident_is_made_where_the_producer_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = ComposeStack(Settings())
    container = {"Service": "producer", "State": "exited", "Health": ""}
    monkeypatch.setattr(stack, "containers", lambda: [container])
    monkeypatch.setattr(stack, "compose", lambda *words: words)
    with pytest.raises(StepError, match="make up"):
        stack.incident("--stop")
    container |= {"State": "running", "Health": "healthy"}
    assert stack.incident("--stop") == ("exec", "-T", "producer", "python", "-m", "producer.incident", "--stop")


def test_a_report_comes_out_of_its_container_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = ComposeStack(Settings())
    monkeypatch.setattr(stack, "containers", lambda: [{"Service": "mysql", "State": "running", "Health": "healthy"}])
    monkeypatch.setattr(stack, "compose", lambda *words, stdout: (words[-2:], stdout))
    with (tmp_path / "market.html").open("wb") as file:
        assert stack.report(file, "market") == (("report", "market"), file)


@pytest.mark.parametrize("given", ["", "elsewhere"])
def test_the_project_is_the_one_that_compose_takes(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", given)
    stated = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["name"]
    assert ComposeStack(Settings()).environment["COMPOSE_PROJECT_NAME"] == (given or stated)


def test_the_state_folder_says_that_there_are_containers_until_they_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = ComposeStack(Settings(state_dir=str(tmp_path)))
    noted: list[bool] = []
    monkeypatch.setattr(stack, "compose", lambda *_words: noted.append(folder(tmp_path).exists()) or 0)
    stack.up(["kafka"])
    stack.down()
    stack.remove()
    assert noted == [False, True, True, True], "as images are built, as containers start, and as they are removed"
    assert not folder(tmp_path).exists()


def test_to_look_for_kafka_s_data_makes_no_volumes(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = ComposeStack(Settings())
    monkeypatch.setattr(engine, "has_volumes", lambda _project: False)
    monkeypatch.setattr(stack, "_in_volumes", lambda _script: pytest.fail("this makes all volumes"))
    assert stack.kafka_id() is None
