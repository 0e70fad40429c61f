"""When a part of a Spark cluster counts as working."""

from __future__ import annotations

import pytest

from spark_jobs.standalone import is_working

ALIVE = {
    "status": "ALIVE",
    "workers": [{"host": "172.18.0.5", "state": "ALIVE"}, {"host": "172.18.0.6", "state": "DEAD"}],
}


@pytest.mark.parametrize(
    ("told", "address", "expected"),
    [
        (ALIVE, None, True),
        (ALIVE, "172.18.0.5", True),
        (ALIVE, "172.18.0.6", False),
        (ALIVE, "172.18.0.7", False),
        ({**ALIVE, "status": "RECOVERING"}, None, False),
    ],
)
def test_the_masters_word_counts(told: dict, address: str | None, expected: bool) -> None:
    assert is_working(told, address) is expected
