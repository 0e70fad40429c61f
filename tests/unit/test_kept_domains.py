"""A stack that was started with other domains than the default keeps to them, until DOMAINS says otherwise."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import settings
from local import __main__ as front_door
from local.backup import KAFKA_ID, SOURCE, STORES, file_of
from local.compose.stack import ComposeStack
from local.kept_domains import keep
from local.runtime import ServiceStatus
from local.steps import StepError
from settings import Settings


class Asked:
    """A stack without data that only notes with which domains it was made."""

    password_path = Path("password")

    def __init__(self, of: Settings) -> None:
        self.settings = of

    def status(self) -> list[ServiceStatus]:
        return []

    def kafka_id(self) -> None:
        return None

    def __getattr__(self, _name: str) -> Any:
        return lambda *_words: 0


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RUNTIME", "native")
    return tmp_path / "state"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The domains of each stack of which something was wanted."""
    found: list[tuple[str, ...]] = []

    def stack_of(of: Settings) -> Asked:
        found.append(of.domains)
        return Asked(of)

    monkeypatch.setattr(front_door, "stack_of", stack_of)
    return found


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A backup of the market."""
    folder = tmp_path / "backup"
    keep(folder, ("market",))
    for name in (KAFKA_ID, *map(file_of, (*STORES, *SOURCE))):
        (folder / name).touch()
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *words: str, domains: str | None = None) -> None:
    with monkeypatch.context() as once:
        if domains is not None:
            once.setenv("DOMAINS", domains)
        front_door.main(list(words))


@pytest.mark.parametrize("words", [["verify"], ["down"], ["restart", "spark"], ["start"]], ids=" ".join)
def test_commands_are_about_the_domains_that_were_started(
    words: list[str],
    asked: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run(monkeypatch, "start", domains="market")
    caplog.set_level(logging.INFO, "local")
    run(monkeypatch, *words)
    assert asked == [("market",), ("market",)]
    assert "domains          market: the stack has been started" in caplog.text


def test_what_is_set_goes_before_and_is_kept_only_by_a_start(
    asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "local")
    run(monkeypatch, "start", domains="market")
    run(monkeypatch, "verify", domains="ecommerce")
    run(monkeypatch, "verify")
    settings.ENV_FILE.write_text("DOMAINS=market,ecommerce\n")
    run(monkeypatch, "start")
    settings.ENV_FILE.unlink()
    run(monkeypatch, "verify")
    run(monkeypatch, "start", domains="ecommerce")
    caplog.clear()
    run(monkeypatch, "verify")
    both, shop = ("market", "ecommerce"), ("ecommerce",)
    assert asked == [("market",), shop, ("market",), both, both, shop, shop]
    assert caplog.text == "", "the default needs no word"


@pytest.mark.parametrize(
    ("noted", "expected"),
    [(None, ("ecommerce",)), (("gone",), ("ecommerce",)), (("gone", "market"), ("market",))],
    ids=str,
)
def test_a_domain_whose_files_are_gone_is_not_asked_for(
    noted: tuple[str, ...] | None,
    expected: tuple[str, ...],
    state: Path,
    asked: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if noted:
        keep(state / "run", noted)
    run(monkeypatch, "verify")
    assert asked == [expected]


def test_an_empty_stack_takes_the_backup_s_domains_and_one_with_data_its_own(
    copied: Path, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, "restore", str(copied))
    run(monkeypatch, "verify")
    run(monkeypatch, "start", domains="ecommerce,market")
    run(monkeypatch, "restore", str(copied))
    assert asked == [("market",), ("market",), ("ecommerce", "market"), ("ecommerce", "market")]


def test_a_restore_whose_start_fails_is_gone_on_with_in_the_backup_s_domains(
    copied: Path, asked: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_words: object) -> None:
        raise StepError("a port is taken")

    with monkeypatch.context() as once:
        once.setattr(Asked, "up", fails, raising=False)
        with pytest.raises(StepError, match="a port is taken"):
            front_door.main(["restore", str(copied)])
    run(monkeypatch, "start")
    assert asked == [("market",), ("market",)]


def test_containers_forget_with_their_data(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ComposeStack, "compose", lambda *_words: 0)
    keep(state / "run", ("market",))
    ComposeStack(Settings(state_dir=str(state))).remove()
    assert not state.exists()
