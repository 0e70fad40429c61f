"""Offsets in a topic: of each partition the next record's number."""

from __future__ import annotations

import json

Offsets = dict[int, int]


def to_json(offsets: Offsets) -> str:
    return json.dumps({str(partition): offset for partition, offset in sorted(offsets.items())})


def from_json(text: str | bytes) -> Offsets:
    return {int(partition): offset for partition, offset in json.loads(text).items()}


def records_between(start: Offsets, end: Offsets) -> int:
    """The number of records from `start` to `end`; partitions that are new in `end` begin at 0."""
    return sum(offset - start.get(partition, 0) for partition, offset in end.items())


def lag(reached: Offsets, ends: Offsets) -> int:
    """The number of records that were not processed; a partition that is past its end counts for none."""
    return sum(ends[partition] - offset for partition, offset in waiting(reached, ends).items())


def waiting(reached: Offsets, ends: Offsets) -> Offsets:
    """The offset of the oldest record that was not processed, of each partition that has one."""
    begins = {partition: reached.get(partition, 0) for partition in ends}
    return {partition: offset for partition, offset in begins.items() if offset < ends[partition]}
