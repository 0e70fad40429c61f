"""Which runtime RUNTIME=auto is: the one that has the data; where only people can say, they are asked."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from local import __main__ as front_door
from local import choice
from local.choice import Found, chosen, holder, look, preferred
from local.compose import engine
from local.native import preflight
from local.steps import StepError
from settings import Settings


def found(*, native: bool = False, volumes: bool | None = False, noted: bool = False) -> Found:
    return Found(native=native, volumes=volumes, noted=noted, state=Path("/srv/state"), project="shop")


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (found(), None),
        (found(volumes=None), None),
        (found(volumes=False, noted=True), None),  # removed by Docker's own commands
        (found(native=True), "native"),
        (found(native=True, volumes=None), "native"),
        (found(native=True, volumes=False, noted=True), "native"),
        (found(volumes=True), "compose"),  # started by `docker compose up`
        (found(volumes=True, noted=True), "compose"),
    ],
)
def test_the_runtime_with_the_data(what: Found, expected: str | None) -> None:
    assert holder(what) == expected


@pytest.mark.parametrize(
    ("what", "place"),
    [
        (found(native=True, volumes=True), "Docker's volumes shop_"),
        (found(native=True, volumes=True, noted=True), "Docker's volumes shop_"),
        (found(native=True, volumes=None, noted=True), "/srv/state/compose says, but no Docker engine answers"),
    ],
)
def test_where_both_have_data_the_user_is_asked(what: Found, place: str) -> None:
    with pytest.raises(StepError, match=f"(?s)native: in /srv/state\n.*compose: .*{place}.*make clean RUNTIME=native"):
        holder(what)


def test_data_that_no_engine_shows_is_not_forgotten() -> None:
    with pytest.raises(StepError, match=r"(?s)/srv/state/compose says.*start it.*RUNTIME=native"):
        holder(found(volumes=None, noted=True))


@pytest.mark.parametrize(
    ("file", "native", "noted"),
    [
        ("data/kafka/meta.properties", True, False),
        ("checkpoints/id", True, False),
        ("ledger/ecommerce.sqlite", True, False),
        ("logs/kafka.log", False, False),
        ("secrets/mysql_root", False, False),
        ("run/lock", False, False),
        ("compose/superset_admin", False, True),
    ],
)
def test_what_is_data_of_a_state_folder(
    file: str, native: bool, noted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "has_volumes", lambda _project: None)
    (tmp_path / "data").mkdir()
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    seen = look(Settings(state_dir=str(tmp_path)))
    assert (seen.native, seen.noted) == (native, noted)


def test_a_native_stack_that_runs_has_data_to_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "has_volumes", lambda _project: False)
    monkeypatch.setattr(preflight, "is_running", lambda _settings: True)
    assert look(Settings(state_dir=str(tmp_path))).native


@pytest.mark.parametrize("runtime", ["native", "compose"])
def test_what_is_given_by_hand_is_asked_of_nobody(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "look", lambda _settings: pytest.fail("nothing is to be looked for"))
    monkeypatch.setattr(engine, "answers", lambda: pytest.fail("no engine is to be asked"))
    settings = Settings(runtime=runtime)
    assert chosen(settings) == preferred(settings) == runtime


@pytest.mark.parametrize(
    ("what", "engine_answers", "expected", "why"),
    [
        (found(), True, "compose", "compose: there is no data yet, and a Docker engine"),
        (found(volumes=None), False, "native", "native: there is no data yet, and no Docker engine"),
        (found(native=True), True, "native", "native: the data is in /srv/state"),
        (found(volumes=True), True, "compose", "compose: the data is in Docker's volumes shop_"),
    ],
)
@pytest.mark.parametrize("docker", [True, False], ids=["docker", "no docker"])
def test_the_choice_is_told_where_there_was_one(
    what: Found,
    engine_answers: bool,
    expected: str,
    why: str,
    docker: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(choice, "look", lambda _settings: what)
    monkeypatch.setattr(engine, "answers", lambda: engine_answers)
    monkeypatch.setattr(engine, "is_installed", lambda: docker)
    caplog.set_level(logging.INFO, "local")
    assert chosen(Settings()) == expected
    assert (why in caplog.text) is docker


def test_what_is_chosen_is_handed_on_to_the_installed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: dict[str, str] = {}
    monkeypatch.setattr(front_door, "chosen", lambda _settings: "native")
    monkeypatch.setattr(front_door, "preflight", lambda _settings: None)
    monkeypatch.setattr(front_door, "install", lambda: None)
    monkeypatch.setattr(front_door, "python_of", lambda _part: Path(sys.executable))
    monkeypatch.setattr(os, "execve", lambda _program, _words, environment: handed.update(environment))
    front_door.main(["up"])
    assert handed["RUNTIME"] == "native"
