"""How far a query is behind Kafka."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from kafka import KafkaConsumer

from settings import Settings
from stores.kafka import FETCH_WITHIN_S, appended_ms, by_number, outages, partitions_of
from stores.offsets import Offsets, lag, waiting
from stores.retry import Unavailable


@dataclass(frozen=True)
class Lag:
    """Records in Kafka that a query has not processed, and the age of the oldest of them; both 0 where there are none.

    An age counts from the broker's time for the record.
    """

    records: int
    ms: int


@dataclass
class LagMeter:
    """Asks Kafka how far queries are behind. Connects at the first question, and anew after an outage."""

    settings: Settings
    _consumer: KafkaConsumer | None = field(default=None, init=False)

    def behind(self, reached: Offsets) -> Lag:
        """The lag of a query that has processed everything before these offsets. Raises Unavailable."""
        try:
            with outages():
                return self._behind(reached)
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def _behind(self, reached: Offsets) -> Lag:
        if self._consumer is None:
            self._consumer = KafkaConsumer(
                bootstrap_servers=self.settings.kafka,
                enable_auto_commit=False,
                # Of one record only its time is asked: the broker sends one batch in any case, and needs no more.
                fetch_max_bytes=1,
                max_partition_fetch_bytes=1,
            )
        topic = self.settings.events_topic
        ends = by_number(self._consumer.end_offsets(partitions_of(self._consumer, topic)))
        oldest = waiting(reached, ends)
        if not oldest:
            return Lag(0, 0)
        appended = [appended_ms(self._consumer, topic, p, offset) for p, offset in oldest.items()]
        if None in appended:
            raise Unavailable(f"Kafka: no answer about {topic} in {FETCH_WITHIN_S:.0f} s")
        return Lag(lag(reached, ends), max(0, int(time.time() * 1000) - min(appended)))
