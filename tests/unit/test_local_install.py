"""Stamps: a part is installed again exactly when what it was made from has changed, or it was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.native import install
from local.native.install import Part
from local.steps import StepError, together


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two parts, the second after the first; the list says what was installed."""
    done: list[str] = []
    lock = tmp_path / "lock.txt"
    lock.write_text("one==1\n")
    listed = (
        Part("first", (lock,), lambda: done.append("first")),
        Part("second", (lock,), lambda: done.append("second"), after=("first",)),
    )
    monkeypatch.setattr(install, "INSTALL", tmp_path / "install")
    monkeypatch.setattr(install, "PARTS", {part.name: part for part in listed})
    return done


def test_a_part_brings_what_it_needs_and_is_installed_once(parts: list[str]) -> None:
    install.install(["second"])
    install.install(["second"])
    assert parts == ["first", "second"]


def test_a_changed_source_is_installed_anew(parts: list[str], tmp_path: Path) -> None:
    install.install(["first"])
    (tmp_path / "lock.txt").write_text("one==2\n")
    install.install(["first"])
    assert parts == ["first", "first"]


def test_an_interrupted_part_is_installed_anew_and_what_needs_it_waits(
    parts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = dict(install.PARTS)

    def interrupted() -> None:
        raise StepError("the network is gone")

    broken = Part("first", whole["first"].sources, interrupted)
    monkeypatch.setattr(install, "PARTS", {**whole, "first": broken})
    with pytest.raises(StepError, match=r"(?s)first: the network is gone.*second: it needs first"):
        install.install(["second"])
    assert parts == []
    monkeypatch.setattr(install, "PARTS", whole)
    install.install(["second"])
    assert parts == ["first", "second"]


def test_a_part_is_installed_only_while_the_machine_lacks_it(
    parts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacks: list[str] = []
    part = Part("java", (tmp_path / "lock.txt",), lambda: parts.append("java"), is_needed=lambda: bool(lacks))
    monkeypatch.setattr(install, "PARTS", {"java": part})
    install.install(["java"])
    assert parts == []
    lacks.append("java")
    install.install(["java"])
    assert parts == ["java"]


def test_an_unknown_part_is_named() -> None:
    with pytest.raises(StepError, match="no part venv-tset"):
        install.install(["venv-tset"])


def test_every_lock_is_hashed_and_names_no_registry() -> None:
    locks = sorted(install.REQUIREMENTS.glob("*.txt"))
    assert {lock.stem for lock in locks} == {source.stem for source in install.REQUIREMENTS.glob("*.in")}
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text, lock
        pins = [line for line in text.splitlines() if "==" in line and not line.lstrip().startswith("#")]
        assert pins
        assert all(line.endswith("\\") for line in pins), lock


def test_steps_fail_together_with_every_reason() -> None:
    def fail(reason: str) -> None:
        raise StepError(reason)

    with pytest.raises(StepError, match=r"(?s)a: no disk.*b: no net"):
        together({"a": lambda: fail("no disk"), "b": lambda: fail("no net"), "c": lambda: None})


def test_our_own_mistakes_are_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError):
        together({"a": lambda: divmod(1, 0)})


@pytest.mark.parametrize("part", install.PARTS.values(), ids=lambda part: part.name)
def test_what_a_part_is_made_from_is_there(part: Part) -> None:
    assert part.sources
    assert [str(source) for source in part.sources if not source.is_file()] == []
