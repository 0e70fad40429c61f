"""Another Python stream processor, Bytewax, doing the same: sums by key as its state, written as they change."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main
from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from kafka import KafkaConsumer, TopicPartition
from mysql.connector.abstracts import MySQLConnectionAbstract

import settings as settings_module
from bench.baselines.measured import Clock, Measured, main
from bench.baselines.stores import DIMENSIONS, INSERT, NAME, REPLACE, counted, row
from settings import Settings
from stores import cassandra, mysql
from stores.offsets import Offsets

RECORDS_AT_ONCE = 2000
CONCURRENCY = 100
Record = tuple[dict[str, Any], bytes]


class Partition(StatefulSourcePartition[Record, int]):
    """A partition of the events topic up to an offset."""

    def __init__(self, settings: Settings, partition: int, end: int) -> None:
        self.end = end
        self.place = TopicPartition(settings.events_topic, partition)
        self.consumer = KafkaConsumer(bootstrap_servers=settings.kafka, max_poll_records=RECORDS_AT_ONCE)
        self.consumer.assign([self.place])
        self.consumer.seek(self.place, 0)

    def next_batch(self) -> list[Record]:
        if self.snapshot() >= self.end:
            raise StopIteration
        messages = self.consumer.poll(timeout_ms=100).get(self.place, [])
        return [(json.loads(message.value), message.value) for message in messages if message.offset < self.end]

    def snapshot(self) -> int:
        return self.consumer.position(self.place)

    def close(self) -> None:
        self.consumer.close()


class Topic(FixedPartitionedSource[Record, int]):
    def __init__(self, settings: Settings, ends: Offsets) -> None:
        self.settings, self.ends = settings, ends

    def list_parts(self) -> list[str]:
        return [str(partition) for partition in self.ends]

    def build_part(self, _step_id: str, for_part: str, _resume_state: int | None) -> Partition:
        return Partition(self.settings, int(for_part), self.ends[int(for_part)])


class Writing(StatelessSinkPartition[Any]):
    def __init__(self, write: Callable[[Sequence[Any]], None]) -> None:
        self.write = write

    def write_batch(self, items: list[Any]) -> None:
        self.write(items)


class Sink(DynamicSink[Any]):
    """Hands over what comes at once."""

    def __init__(self, write: Callable[[Sequence[Any]], None]) -> None:
        self.write = write

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> Writing:
        return Writing(self.write)


def added(state: tuple[int, int] | None, record: tuple) -> tuple[tuple[int, int], tuple]:
    """For stateful_map: the sums with one more event, and the row of them."""
    dimension, minute, value, cents = record
    events, before = state or (0, 0)
    sums = events + 1, before + cents
    return sums, (dimension, minute, value, *sums)


def upsert(connection: MySQLConnectionAbstract, rows: Sequence[tuple]) -> None:
    """The newest sums of each key into MySQL."""
    newest = {(dimension, minute, value): sums for _, (dimension, minute, value, *sums) in rows}
    with connection.cursor() as cursor:
        for dimension in DIMENSIONS:
            values = [(minute, value, *sums) for (name, minute, value), sums in newest.items() if name == dimension]
            if values:
                cursor.executemany(REPLACE[dimension], values)
    connection.commit()


def drain(ends: Offsets) -> Measured:
    settings = settings_module.load()
    total = sum(ends.values())
    clock = Clock(total)
    done = {"archived": 0, "summed": 0}

    def passed(name: str, records: float) -> None:
        done[name] += records
        clock.at(min(done.values()))

    with (
        cassandra.connected(settings, "admin", NAME) as session,
        mysql.connected(settings, "root", NAME) as connection,
    ):
        archive = archiving(session)

        def write_events(records: Sequence[Record]) -> None:
            archive(records)
            passed("archived", len(records))

        def write_sums(rows: Sequence[tuple]) -> None:
            upsert(connection, rows)
            passed("summed", len(rows) / len(DIMENSIONS))

        flow = Dataflow("baseline")
        events = op.input("events", flow, Topic(settings, ends))
        op.output("archive", events, Sink(write_events))
        counts = op.flat_map("counted", events, lambda record: counted(record[0]))
        keyed = op.key_on("keyed", counts, lambda record: " ".join(map(str, record[:3])))
        op.output("sums", op.stateful_map("added", keyed, added), Sink(write_sums))
        run_main(flow)
        return clock.stopped()


def archiving(session: Session) -> Callable[[Sequence[Record]], None]:
    insert = session.prepare(INSERT)

    def archive(records: Sequence[Record]) -> None:
        values = [row(event, payload) for event, payload in records]
        execute_concurrent_with_args(session, insert, values, concurrency=CONCURRENCY)

    return archive


if __name__ == "__main__":
    main(drain)
