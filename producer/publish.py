"""Gives records to Kafka and enters into the ledger what it acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Event as Flag
from time import monotonic
from typing import Any, TypeVar
from zlib import crc32

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from producer.ledger import Ledger, LedgerError, entry, identity
from producer.records import Record
from settings import Settings
from stores.kafka import MAX_RECORD_BYTES, by_number, outages, partitions_of
from stores.offsets import Offsets
from stores.retry import LONGEST_PAUSE_S, Stopped, Unavailable, retry

log = logging.getLogger(__name__)

REPORT_S = 10.0
QUIET_S = 2.0
"""How long the topic must not have grown before what a dead producer left behind is counted."""
STOP_S = 10.0
"""How long a stopping producer waits for the acknowledgements of what it has sent."""
GIVE_UP_S = 60.0
"""How long a batch may stay without acknowledgement before the producer ends, for the next one to look it up."""
ANSWER_S = 8.0
"""How long Kafka may take to answer before it is asked again; what it has taken already it does not take twice."""

Result = TypeVar("Result")


class SendError(Exception):
    """Kafka has not acknowledged a batch.

    It may still come to do so while this process lives, for the client goes on trying: only the end of the process
    makes certain what the topic has of the batch. The next producer finds out and counts it.
    """


def asked(question: Callable[[], Result], stop: Flag) -> Result:
    """Kafka's answer; waits through outages. Raises Stopped."""

    def ask() -> Result:
        with outages():
            return question()

    return retry(ask, "Kafka", stop=stop)


class Topic:
    """The topic as a reader sees it."""

    def __init__(self, settings: Settings, stop: Flag) -> None:
        self.name = settings.events_topic
        self._stop = stop
        self._consumer = asked(lambda: self._connect(settings), stop)

    def _connect(self, settings: Settings) -> KafkaConsumer:
        consumer = KafkaConsumer(
            bootstrap_servers=settings.kafka,
            client_id="producer-ledger",
            bootstrap_timeout_ms=int(ANSWER_S * 1000),
            request_timeout_ms=int(ANSWER_S * 1000),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
        )
        try:
            self._partitions = partitions_of(consumer, self.name)
            if not self._partitions:
                raise Unavailable(f"there is no topic {self.name} yet")
        except (KafkaError, Unavailable):
            consumer.close()
            raise
        return consumer

    def close(self) -> None:
        self._consumer.close()

    def ends(self) -> Offsets:
        return by_number(asked(lambda: self._consumer.end_offsets(self._partitions), self._stop))

    def quiet_ends(self) -> Offsets:
        """The ends of the partitions, once nothing more can come of a producer that is gone.

        Its connection ended with it, so it sends nothing any more; what can still be appended is what lies in the
        broker's receive buffers. The broker takes that up as soon as it takes up requests at all, as it does ours:
        when it has answered us for QUIET_S and the ends have not moved, those buffers are empty.
        """
        ends, since = self.ends(), monotonic()
        while monotonic() - since < QUIET_S:
            if self._stop.wait(QUIET_S / 10):
                raise Stopped
            now = self.ends()
            if now != ends:
                ends, since = now, monotonic()
        return ends

    def _beginnings(self) -> Offsets:
        return by_number(asked(lambda: self._consumer.beginning_offsets(self._partitions), self._stop))

    def identities(self, start: Offsets, ends: Offsets) -> Iterator[bytes]:
        """The identity of every record from `start` up to `ends`."""
        for number, first in self._beginnings().items():
            if start.get(number, 0) < min(first, ends[number]):
                raise LedgerError(
                    f"records of {self.name}[{number}] from offset {start.get(number, 0)} on are gone, so what the "
                    "ledger has in flight there can't be counted: begin anew with 'make clean'"
                )
        return (identity(message.key, message.value) for message in self._messages(start, ends))

    def latest(self, number: int) -> tuple[bool, Iterator[Any]]:
        """So many records of each partition, the last ones, as the client gives them, in order within a partition; and
        whether there were never any others."""
        ends, first = self.ends(), self._beginnings()
        start = {partition: max(first[partition], end - number) for partition, end in ends.items()}
        return not any(start.values()), self._messages(start, ends)

    def _messages(self, start: Offsets, ends: Offsets) -> Iterator[Any]:
        """Every record from `start` up to `ends`."""
        offsets = {partition: start.get(partition.partition, 0) for partition in self._partitions}
        left = {partition: offset for partition, offset in offsets.items() if offset < ends[partition.partition]}
        self._consumer.assign(list(left))
        for partition, offset in left.items():
            self._consumer.seek(partition, offset)
        while left:
            polled = asked(lambda: self._consumer.poll(timeout_ms=500), self._stop)
            if self._stop.is_set():
                raise Stopped
            for partition, messages in polled.items():
                for message in messages:
                    if message.offset < ends[partition.partition]:
                        yield message
            for partition in list(left):
                if self._consumer.position(partition) >= ends[partition.partition]:
                    del left[partition]


class Publisher:
    """Sends batches of records, one after the other, each entered into the ledger.

    Through a short outage the idempotent client sends again, without doubling. Whatever it can't deliver is left to
    the next producer, which finds it as that of a killed one: in the ledger, in flight.
    """

    def __init__(self, settings: Settings, ledger: Ledger, stop: Flag | None = None) -> None:
        """Connects, waiting for Kafka, and settles what an earlier producer left in flight.

        Raises Stopped, and LedgerError when the topic is not the one that the ledger tells of.
        """
        self._settings = settings
        self._ledger = ledger
        self._stop = stop or Flag()
        self.acknowledged = 0
        """Records since this publisher began."""
        self._reported = (monotonic(), 0)
        self.topic = Topic(settings, self._stop)
        self._ends = self.topic.ends()
        self._check_same_topic()
        self._settle_leftovers()
        self._producer = asked(self._connect, self._stop)

    def _connect(self) -> KafkaProducer:
        producer = KafkaProducer(
            bootstrap_servers=self._settings.kafka,
            client_id="producer",
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            # Nothing goes out before the flush that ends a batch: a sender thread awake while the batch is handed over
            # costs half the throughput.
            linger_ms=1000,
            batch_size=1024 * 1024,
            max_request_size=MAX_RECORD_BYTES,
            delivery_timeout_ms=int(10 * GIVE_UP_S * 1000),
            request_timeout_ms=int(ANSWER_S * 1000),
            reconnect_backoff_max_ms=int(LONGEST_PAUSE_S * 1000),
            bootstrap_timeout_ms=int(ANSWER_S * 1000),
            max_block_ms=int(ANSWER_S * 1000),
            allow_auto_create_topics=False,
        )
        try:  # here, and not at the first send, which would wait for it without a word
            producer.partitions_for(self.topic.name)
        except KafkaError:
            producer.close(timeout=0)
            raise
        return producer

    def close(self) -> None:
        # After a stop in an outage there is something left to flush, and no one to take it.
        with suppress(KafkaTimeoutError):
            self._producer.close(timeout=1)
        self.topic.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(self, records: Sequence[Record]) -> None:
        """Sends `records`, waits until all are acknowledged, and counts them.

        Raises SendError, and Stopped when the producer is stopped and Kafka does not answer: end the process then.
        """
        entries = [entry(record) for record in records]
        intent = self._ledger.intend(entries, self._ends)
        futures = [self._send(record) for record in records]
        self._flush(len(records))
        failure = next((future.exception for future in futures if future.failed()), None)
        if failure is not None:
            raise SendError(f"Kafka did not take {len(records)} records: {failure}") from failure
        self._ends |= _ends_of(futures) or self.topic.ends()
        self._ledger.settle([intent], entries, self._ends)
        self.acknowledged += len(records)
        self._report(0)

    def _send(self, record: Record) -> FutureRecordMetadata:
        # A key stays in one partition. The library's own choice, murmur2 in Python, takes as long as the sending.
        partition = crc32(record.key or b"") % len(self._ends)
        return self._producer.send(self.topic.name, record.value, record.key, partition=partition)

    def _flush(self, in_flight: int) -> None:
        begun_at = monotonic()
        stopped_at: float | None = None
        while True:
            try:
                return self._producer.flush(timeout=0.5)
            except KafkaTimeoutError:
                self._report(in_flight)
            now = monotonic()
            if now - begun_at > GIVE_UP_S:
                raise SendError(f"Kafka has not acknowledged {in_flight} records for {GIVE_UP_S:.0f} s")
            if self._stop.is_set():
                stopped_at = stopped_at or now
                if now - stopped_at > STOP_S:
                    log.warning("stopping with %d records in flight: the next start settles them", in_flight)
                    raise Stopped

    def _settle_leftovers(self) -> None:
        """Settles what an earlier producer left in flight."""
        intents = self._ledger.unsettled()
        if not intents:
            return
        log.info("settling what an earlier producer left in flight")
        self._ends = self.topic.quiet_ends()
        found = self._ledger.settle_by(self.topic.identities(intents[0].offsets, self._ends), self._ends)
        log.info("settled: %d of %d records had reached the topic", sum(found), len(found))

    def _check_same_topic(self) -> None:
        for partition, offset in self._ledger.view().offsets_passed().items():
            if self._ends.get(partition, 0) < offset:
                raise LedgerError(
                    f"{self.topic.name}[{partition}] ends at offset {self._ends.get(partition, 0)}, but the ledger "
                    f"has records acknowledged up to {offset}: it tells of another topic: 'make rebuild' goes "
                    "on in this one, 'make clean' begins with nothing"
                )

    def _report(self, in_flight: int) -> None:
        (then, before), now = self._reported, monotonic()
        if now - then >= REPORT_S:
            rate = (self.acknowledged - before) / (now - then)
            log.info("%d records acknowledged, %.0f/s", self.acknowledged, rate)
            if in_flight:
                log.warning("Kafka does not answer: %d records in flight are sent again until it does", in_flight)
            self._reported = now, self.acknowledged


def _ends_of(futures: list[FutureRecordMetadata]) -> Offsets:
    """Partition -> the offset after the last of the acknowledged sends; empty when the broker did not say."""
    ends: Offsets = {}
    for future in futures:
        sent = future.value
        if sent.offset < 0:  # acknowledged as a retry of something stored before
            return {}
        ends[sent.partition] = sent.offset + 1
    return ends
