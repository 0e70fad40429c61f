"""What a stack does while nothing of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.native.stack import Stack
from local.native.supervisor import NotRunningError
from local.steps import StepError
from settings import Settings


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(Settings(state_dir=str(tmp_path)))


def test_a_service_of_a_stack_that_is_down_can_not_be_restarted(stack: Stack) -> None:
    with pytest.raises(NotRunningError, match="make up"):
        stack.restart("spark")


def test_there_is_no_incident_without_a_producer(stack: Stack, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="make up"):
        stack.incident()
    assert list(tmp_path.iterdir()) == []


def test_stopping_what_is_down_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    stack.down()
    assert list(tmp_path.iterdir()) == []


def test_every_service_is_shown_as_stopped(stack: Stack) -> None:
    assert {(row.state, row.memory_bytes) for row in stack.status()} == {("STOPPED", 0)}


def test_only_what_the_stack_made_is_removed(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "data" / "mysql").mkdir(parents=True)
    (tmp_path / "somebody's").mkdir()
    stack.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["somebody's"]


def test_an_empty_state_folder_goes_too(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    stack.remove()
    assert not tmp_path.exists()
