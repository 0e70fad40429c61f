"""Ports for stacks of their own: nobody else's, whoever looks for some at the same time."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from local import ports

COUNT = 50


@pytest.fixture(autouse=True)
def reservations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "RESERVATIONS", tmp_path / "ports")


def test_no_port_is_given_twice() -> None:
    given = ports.free_ports(COUNT) + ports.free_ports(COUNT)
    assert len(set(given)) == 2 * COUNT
    assert not any(map(ports._reserve, given))


def test_no_port_is_one_of_outgoing_connections() -> None:
    first, last = map(int, ports.OUTGOING.read_text().split())
    assert not [port for port in ports.free_ports(COUNT) if first <= port <= last]


def test_a_port_on_which_somebody_listens_is_not_given() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        ports.RESERVATIONS.mkdir()
        assert not ports._reserve(server.getsockname()[1])


def test_where_too_few_are_free_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "LOWEST", 65_500)
    with pytest.raises(OSError, match="no 50 free ports from 65500 on"):
        ports.free_ports(COUNT)
