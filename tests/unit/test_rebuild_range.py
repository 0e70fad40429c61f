"""What of the archive has counted, and what has counted since."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from spark_jobs.rebuild_range import Counted, minute
from spark_jobs.seen import SeenIds

NOON = datetime(2026, 3, 14, 12)  # noqa: DTZ001 - naive, as MySQL has it
OLD, NEW = NOON - timedelta(hours=3), NOON


def ids(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(16, "big") for number in numbers)


def seen(*numbers: int, at: datetime = NEW) -> SeenIds:
    found = SeenIds()
    found.add(at, ids(*numbers), digests(*numbers))
    return found


def digests(*numbers: int) -> bytes:
    """Of what came under these ids: the same numbers."""
    return b"".join(number.to_bytes(8) for number in numbers)


def test_what_is_too_old_for_ids_has_counted_and_of_the_rest_what_has_an_id() -> None:
    counted = Counted("x", seen(1, 2), NOON - timedelta(hours=2), 0)
    events = pl.DataFrame(
        {"minute": [OLD, NEW, NEW, NEW], "event_id": [ids(9), ids(2), ids(3), ids(1)], "digest": [9, 2, 3, 7]},
        schema_overrides={"digest": pl.UInt64},
    )
    assert counted.has(events).to_list() == [True, True, False, False], "the last is not what came under that id"


def test_minutes_that_have_grown_since() -> None:
    counted = Counted("x", seen(1, 2), NOON - timedelta(hours=2), 0)
    now_seen = seen(1, 2, 5)
    now_seen.add(NEW + timedelta(minutes=1), ids(7, 8), digests(7, 8))
    now_seen.add(OLD, ids(4), digests(4))  # of which there is no telling
    assert counted.grown(now_seen) == {NEW: 1, NEW + timedelta(minutes=1): 2}
    assert counted.grown(seen(1)) == {}


def test_a_minute_has_a_zone_and_no_seconds() -> None:
    assert minute("2026-03-14T13:00+01:00") == NOON == minute("2026-03-14T12:00Z")
    assert minute("2026-03-14T12:00:00Z").replace(tzinfo=UTC).timestamp() == 1773489600
    for wrong in ("2026-03-14T12:00", "2026-03-14T12:00:01Z", "noon"):
        with pytest.raises(ValueError):  # noqa: PT011 - argparse shows its own words
            minute(wrong)
