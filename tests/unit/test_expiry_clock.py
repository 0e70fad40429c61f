"""By which clock old ids and rows go."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from spark_jobs.aggregate import slower_clock

NOON = datetime(2026, 3, 14, 12)  # noqa: DTZ001 - naive, as MySQL takes it


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=1), timedelta(hours=-1)])
def test_the_clock_that_is_behind_counts(ahead: timedelta) -> None:
    appended_at = pl.Series([NOON - timedelta(seconds=9), NOON]).dt.replace_time_zone("UTC")
    assert slower_clock(NOON + ahead, appended_at) == min(NOON, NOON + ahead)
    assert slower_clock(NOON, appended_at + ahead) == min(NOON, NOON + ahead)
