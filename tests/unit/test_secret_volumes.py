"""What each container is given of the secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import passwords
from local.compose import secret_volumes
from local.compose.secret_volumes import GIVEN, Share, hand_out
from settings import Settings


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """File -> who it was given to; without root's rights nobody can be given anything."""
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "chown", lambda path, user, group: given.update({Path(path).stem: (user, group)}))
    return given


def test_a_share_is_its_secrets_alone_readable_by_its_user_alone(tmp_path: Path, owners: dict) -> None:
    settings = Settings(state_dir=str(tmp_path / "state"))
    passwords.generate(settings)
    (tmp_path / "share").mkdir()
    for _ in range(2):  # a second start does the same
        hand_out(settings, Share(7, ("mysql_reader",)), tmp_path / "share")
    [file] = (tmp_path / "share").iterdir()
    assert (file.name, file.read_text()) == ("mysql_reader", passwords.read(settings, "mysql_reader"))
    assert file.stat().st_mode & 0o777 == 0o400
    assert owners == {"mysql_reader": (7, 7)}


def test_every_secret_is_somebodys_and_the_roots_are_the_set_ups_alone() -> None:
    assert {name for share in GIVEN.values() for name in share.secrets} == set(passwords.NAMES)
    holders = {name for name, share in GIVEN.items() if "cassandra_admin" in share.secrets}
    assert holders == {"set-up"}
    assert {name for name, share in GIVEN.items() if "mysql_root" in share.secrets} == {"set-up", "mysql"}


def test_all_shares_are_handed_out(tmp_path: Path, owners: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_volumes, "SHARES", tmp_path / "shares")
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))
    for name in GIVEN:
        (tmp_path / "shares" / name).mkdir(parents=True)
    secret_volumes.main()
    for name, share in GIVEN.items():
        assert {path.name for path in (tmp_path / "shares" / name).iterdir()} == set(share.secrets)
    assert set(owners) == set(passwords.NAMES)
