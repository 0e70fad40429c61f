"""The dead letter: a record is told from all others, also where its topic begins anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from settings import Settings
from stores import dead_letter
from stores.dead_letter import Reject, letters

MINUTE = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
LATER = MINUTE + timedelta(hours=1)


@dataclass(frozen=True)
class Record:
    """What is read of a record in Kafka."""

    value: bytes
    headers: list[tuple[str, bytes]]


def letter(value: bytes, generation: int, appended_at: datetime) -> Record:
    reject = Reject(None, value, len(value), "not_json", "", "shop.events", generation, 1, 7, appended_at)
    return Record(value, reject.headers)


def without(record: Record, *names: str) -> Record:
    return Record(record.value, [header for header in record.headers if header[0] not in names])


def test_one_is_told_from_another_at_its_offset_in_a_topic_before(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = letter(b"{", 0, MINUTE), letter(b"[", 1, LATER)
    written = [without(first, "generation", "length"), first, second, second, letter(b"[", 2, LATER)]

    def read_all(*_: object) -> Iterator[Record]:
        yield from written

    monkeypatch.setattr(dead_letter, "read_all", read_all)
    found = list(letters(Settings()))
    assert [(address.place, value) for address, value in found] == [((1, 7), b"{"), ((100_001, 7), b"[")]
    assert {(address.partition, address.offset) for address, _ in found} == {(1, 7)}
