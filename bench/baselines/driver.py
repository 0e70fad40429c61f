"""What bounds the archive: Cassandra's driver alone, with the rows that Tillstream writes, ready in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from uuid import UUID

import msgspec
from cassandra.concurrent import execute_concurrent_with_args

import settings as settings_module
from bench.baselines.measured import WARM_UP, Clock, Measured, main
from bench.baselines.stores import NAME
from bench.baselines.topic import values
from stores import cassandra
from stores.offsets import Offsets

CONCURRENCY = 200
INSERT = "INSERT INTO events (minute, shard, session_id, occurred_at, event_id, payload) VALUES (?, ?, ?, ?, ?, ?)"


class Keys(msgspec.Struct):
    event_id: UUID
    session_id: UUID
    occurred_at: datetime


def row(value: bytes) -> tuple[object, ...]:
    keys = msgspec.json.decode(value, type=Keys)
    occurred_at = keys.occurred_at.astimezone(UTC)
    minute = occurred_at.replace(second=0, microsecond=0)
    shard = cassandra.shard(keys.session_id.bytes)
    return minute, shard, keys.session_id, occurred_at, keys.event_id, value.decode()


def drain(ends: Offsets) -> Measured:
    settings = settings_module.load()
    rows = [row(value) for value in values(settings, ends)]
    clock, warm_up = Clock(len(rows)), ceil(WARM_UP * len(rows))
    with cassandra.connected(settings, "admin", NAME) as session:
        insert = session.prepare(INSERT)
        execute_concurrent_with_args(session, insert, rows[:warm_up], concurrency=CONCURRENCY)
        clock.at(warm_up)
        execute_concurrent_with_args(session, insert, rows[warm_up:], concurrency=CONCURRENCY)
    return clock.stopped()


if __name__ == "__main__":
    main(drain)
