"""The longest texts that a contract allows, by which the columns of tables are measured."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import Field
from tests.longest_texts import LETTERS, longest


def field(**limits: Any) -> Field:
    return Field("name", "string", required=False, critical=False, description="", **limits)


@pytest.mark.parametrize(
    ("pattern", "length"),
    [
        ("^[A-Z]{2}$", 2),
        (r"^\d{3,5}-(a|bcd)?$", 9),
        ("^[^x]{1,4}.[^xy]$", 6),
        ("^[a-z0-9_-]+$", 20),
        (r"^[a-z]+(-[a-z]+)*$", 20),
    ],
)
def test_a_pattern_is_matched_by_its_longest_text(pattern: str, length: int) -> None:
    [text] = longest(field(pattern=pattern, max_length=20))
    assert len(text) == length


def test_a_pattern_that_is_not_understood_is_an_error() -> None:
    with pytest.raises(AssertionError, match=r"name: .* no long text"):
        longest(field(pattern="^(?=b)[a-z]$"))


def test_of_a_list_of_words_the_longest_counts() -> None:
    assert longest(field(allowed=("a", "bcd", "ef"))) == ["bcd"]


def test_any_other_text_is_as_long_in_several_ways() -> None:
    found = longest(field(max_length=7))
    assert [len(text) for text in found] == [7] * (len(LETTERS) + 1)
    assert found[-1].endswith(" ")
