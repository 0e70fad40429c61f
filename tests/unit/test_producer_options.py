"""The producer's command line."""

import os
from datetime import UTC, datetime, time

import pytest

from producer.__main__ import parse


def test_options_take_the_place_of_settings():
    options, settings = parse(
        ["--rate", "12.5", "--late", "0", "--start", "2026-11-22T13:00:00+01:00", "--events", "7", "--daytime", "18:30"]
    )
    assert (settings.producer_rate, settings.producer_late) == (12.5, 0)
    assert options.start == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert options.events == 7
    assert options.daytime == time(18, 30)


def test_settings_are_the_defaults(monkeypatch):
    monkeypatch.setenv("PRODUCER_DUPLICATES", "0.125")
    assert parse([])[1].producer_duplicates == 0.125


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rate", "0"], "PRODUCER_RATE='0' is not allowed: more than 0"),
        (["--malformed", "2"], "PRODUCER_MALFORMED='2' is not allowed: 0 to 0.5"),
        (["--late", "often"], "PRODUCER_LATE='often' is not a number"),
        (["--start", "2026-11-22T12:00:00"], "has no time zone"),
        (["--start", "yesterday"], "--start"),
        (["--events", "0"], "not at least 1"),
        (["--daytime", "25:00"], "--daytime"),
        (["--speed", "1"], "--speed"),
    ],
)
def test_bad_options_are_named(arguments, said, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == os.EX_CONFIG
    assert said in capsys.readouterr().err
