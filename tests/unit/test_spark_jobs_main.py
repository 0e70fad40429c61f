"""What the program tells and returns where it can't do what it was asked for."""

from __future__ import annotations

import os
import sys

import pytest

from spark_jobs import __main__, rebuild, rebuild_range
from spark_jobs.checkpoint import CheckpointRefused
from stores.retry import Unavailable

SINCE = ("--since", "2026-03-14T00:00Z")


@pytest.mark.parametrize(
    ("module", "words", "error", "code"),
    [
        (rebuild, (), CheckpointRefused("it is damaged"), os.EX_CONFIG),
        (rebuild_range, SINCE, Unavailable("the archive is behind the aggregates"), 1),
    ],
)
def test_it_says_in_a_sentence_why_it_ends(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: object,
    words: tuple[str, ...],
    error: Exception,
    code: int,
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "run", refuse)
    monkeypatch.setattr(sys, "argv", ["spark_jobs", "rebuild", *words])
    assert __main__.main() == code
    assert [(record.message, record.exc_info) for record in caplog.records] == [(str(error), None)]
