"""The look-up of vulnerabilities: what could not be looked up is never taken for good news."""

from __future__ import annotations

import json

from local.vulnerabilities import Answer, read, report


def told(*packages: dict) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


GOOD = {"name": "lz4", "version": "4.4.5", "vulns": []}
BAD = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": []}]}
UNKNOWN = {"name": "msgspec", "skip_reason": "Dependency not found on PyPI and could not be audited: msgspec"}


def test_nothing_known() -> None:
    assert report([("a.txt", read(told(GOOD), ""))]) == (["a.txt: no known vulnerability"], False, False)


def test_a_vulnerability_is_named_with_what_mends_it() -> None:
    [line], vulnerable, left_out = report([("a.txt", read(told(GOOD, BAD), ""))])
    assert "old 1.0: PYSEC-1, mended in ['1.1']" in line
    assert (vulnerable, left_out) == (True, False)


def test_a_package_that_the_source_does_not_know_is_not_audited() -> None:
    [line], vulnerable, left_out = report([("a.txt", read(told(GOOD, UNKNOWN), ""))])
    assert "NOT AUDITED" in line
    assert "msgspec" in line
    assert (vulnerable, left_out) == (False, True)


def test_a_source_that_can_not_be_reached_is_told() -> None:
    answer = read("", "Traceback\nConnectionError: no such host\n")
    assert answer == Answer(failure="ConnectionError: no such host")
    [line], vulnerable, left_out = report([("a.txt", answer)])
    assert "can't be reached: ConnectionError" in line
    assert (vulnerable, left_out) == (False, True)
