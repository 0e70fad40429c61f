"""Passwords are made once, and readable by their owner alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import passwords
from settings import SettingError, Settings


def test_they_are_generated_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    stack = Settings(state_dir=str(tmp_path / "state"))
    folder = passwords.folder(stack)
    assert passwords.generate(stack) == list(passwords.NAMES)
    made = {name: passwords.read(stack, name) for name in passwords.NAMES}
    assert passwords.generate(stack) == []
    assert {name: passwords.read(stack, name) for name in passwords.NAMES} == made
    assert len(set(made.values())) == len(made)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {(folder / name).stat().st_mode & 0o777 for name in passwords.NAMES} == {0o600}


def test_a_missing_one_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="make up"):
        passwords.read(Settings(state_dir=str(tmp_path)), "mysql_root")


def test_a_name_of_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingError, match="'mysql_rot'; there are: mysql_root, "):
        passwords.read(Settings(), "mysql_rot")
