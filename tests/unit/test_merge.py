"""Merge rules: the order and the grouping of what is merged never matter."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_jobs.merge import Table, combine, table, upsert

START = datetime(2026, 3, 14)  # noqa: DTZ001 - naive, as MySQL has it
NEVER = datetime(9999, 1, 1)  # noqa: DTZ001 - as START
LAST_OF_ALL = "~"
ROWS = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["a", "b"]),
        "n": st.integers(-5, 5),
        "seen": st.none() | st.integers(0, 3).map(lambda s: START + timedelta(seconds=s)),
        "top": st.integers(0, 5),
        "name": st.none() | st.sampled_from(["x", "y", "z"]),
        "until": st.none() | st.integers(0, 3),
        "close": st.none() | st.integers(0, 5),
    }
)


@table(
    key=("key",),
    sum=("n",),
    minimum=("seen",),
    maximum=("top", "until"),
    first={"name": "seen"},
    last={"close": "until"},
)
def example(events: pl.DataFrame) -> pl.DataFrame:
    return events


def frame(rows: list[dict]) -> pl.DataFrame:
    numbers = dict.fromkeys(("n", "top", "until", "close"), pl.Int64)
    return pl.DataFrame(rows, schema={"key": pl.String, "seen": pl.Datetime("us"), "name": pl.String, **numbers})


def merged(rows: pl.DataFrame) -> list[tuple]:
    return combine(example, rows).sort("key").rows()


@given(st.lists(ROWS, max_size=12), st.randoms(), st.integers(0, 12))
def test_order_and_grouping_do_not_matter(rows: list[dict], random, cut: int) -> None:
    expected = merged(frame(rows))
    random.shuffle(rows)
    parts = [combine(example, frame(part)) for part in (rows[:cut], rows[cut:])]
    assert merged(pl.concat(parts)) == expected
    assert combine(example, frame(rows)).columns == list(example.columns)


@given(st.lists(ROWS, min_size=1, max_size=12))
def test_rules_are_what_their_names_say(rows: list[dict]) -> None:
    for key, n, seen, top, until, name, close in merged(frame(rows)):
        mine = [row for row in rows if row["key"] == key]
        assert n == sum(row["n"] for row in mine)
        assert seen == min((row["seen"] for row in mine if row["seen"]), default=None)
        assert top == max(row["top"] for row in mine)
        assert until == max((row["until"] for row in mine if row["until"] is not None), default=None)
        assert name == min(mine, key=lambda row: (row["seen"] or NEVER, row["name"] or LAST_OF_ALL))["name"]
        assert close == max(mine, key=lambda row: (or_less(row["until"]), or_less(row["close"])))["close"]


def or_less(number: int | None) -> int:
    """A number, or one that is less than all."""
    return -1 if number is None else number


def test_a_sum_beyond_64_bits_is_an_error_that_names_its_column() -> None:
    row = dict.fromkeys(example.columns) | {"key": "a"}
    most = 2**63 - 1
    assert merged(frame([row | {"n": n} for n in (most, -1, 1)]))[0][1] == most
    with pytest.raises(pl.exceptions.InvalidOperationError, match="column 'n'"):
        merged(frame([row | {"n": n} for n in (most, 1)]))


def test_first_and_last_are_decided_before_their_time_changes() -> None:
    statement = upsert(example, frame([]).schema, into="other")
    assert statement.startswith("INSERT INTO other (key, n, seen, top, until, name, close) SELECT")
    assert statement.index("name = IF(COALESCE(new.seen < other.seen,") < statement.index("seen = COALESCE(LEAST(")
    assert statement.index("close = IF(COALESCE(new.until > other.until,") < statement.index("until = COALESCE(GREAT")


@pytest.mark.parametrize(("rule", "needed"), [("first", "minimum"), ("last", "maximum")])
def test_first_and_last_need_their_time_among_the_columns_of_its_rule(rule: str, needed: str) -> None:
    with pytest.raises(ValueError, match=f"{rule} goes by .'seen'.*{needed}"):
        table(key=("key",), **{rule: {"name": "seen"}})(example.rows)


def test_what_was_first_or_last_is_not_added_up_into_hours() -> None:
    with pytest.raises(ValueError, match=r"'seen', 'name'.*hours"):
        table(key=("key",), minimum=("seen",), first={"name": "seen"}, by_hour=True)(example.rows)


def test_rows_that_become_hours_have_no_time_of_their_own_to_be_kept() -> None:
    with pytest.raises(ValueError, match="example: rows that become hours"):
        table(key=("key",), sum=("n",), by_hour=True, keep_days=30)(example.rows)


def test_a_table_is_named_like_its_function() -> None:
    assert isinstance(example, Table)
    assert example.name == "example"
