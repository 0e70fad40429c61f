"""How the command line reads what Docker says, and which project it speaks of."""

from __future__ import annotations

import pytest

from local import engine, preflight, runtime
from local.compose import ComposeStack, memory_bytes, state
from local.steps import StepError
from settings import Settings


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


@pytest.mark.parametrize(
    ("setting", "engine_answers", "native_runs", "expected"),
    [
        ("auto", True, False, "compose"),
        ("auto", False, False, "native"),
        ("auto", True, True, "native"),
        ("native", True, False, "native"),
        ("compose", False, True, "compose"),
    ],
)
def test_the_runtime_is_chosen(
    monkeypatch: pytest.MonkeyPatch, setting: str, engine_answers: bool, native_runs: bool, expected: str
) -> None:
    monkeypatch.setattr(engine, "answers", lambda: engine_answers)
    monkeypatch.setattr(preflight, "is_running", lambda _settings: native_runs)
    assert runtime.chosen(Settings(runtime=setting)) == expected
