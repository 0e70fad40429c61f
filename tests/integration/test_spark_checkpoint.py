"""A checkpoint is refused where Spark itself could not start from it, and only there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaProducer
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from local.throwaway import throwaway_stack
from settings import Settings
from spark_jobs import session
from spark_jobs.checkpoint import IDENTITY, Checkpoint, CheckpointRefused, Progress
from spark_jobs.source import records
from stores import kafka
from stores.kafka import bounds
from tests.unit.test_checkpoint import DAMAGED, HARMLESS, NO_FIRST, write

pytestmark = [pytest.mark.integration, pytest.mark.long]

LAST = 3
REREAD = "a source without offsets"
BEGINS_ELSEWHERE = {
    *((f"spark/offsets/{number}", REREAD) for number in (LAST - 1, LAST)),
    *(
        ("spark/sources/0/0", what)
        for what in ("no version", "no offsets", "another topic", "no partitions", "no object", REREAD)
    ),
}
"""Damages that Spark takes for offsets, and that are refused all the same: it would not go on where the store is."""


class Crash(RuntimeError):  # noqa: N818 - it is what a test lets happen
    """In the middle of a micro-batch."""


class Query:
    """Spark as the job starts it, with a sink that does nothing, but for crashing in a micro-batch."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.crashes_in = settings, -1
        self.spark = session.build(settings)
        self.spark.sparkContext.setLogLevel("OFF")
        self.first = bounds(settings)[0]

    def _write(self, frame: DataFrame, batch_id: int) -> None:
        frame.count()
        if batch_id == self.crashes_in:
            raise Crash

    def runs(self, checkpoint: Checkpoint) -> bool:
        """Whether it gets to the end of the topic."""
        stream = records(self.spark, self.settings, self.first).writeStream.foreachBatch(self._write)
        stream = stream.option("checkpointLocation", checkpoint.spark_folder).trigger(availableNow=True)
        try:
            stream.start().awaitTermination()
        except (PySparkException, Py4JError):
            return False
        return True

    def crashed(self, folder: Path, last: int) -> Checkpoint:
        """A checkpoint with one record a micro-batch, of which the last was planned and not committed."""
        checkpoint = Checkpoint(folder, self.settings.events_topic)
        checkpoint.create()
        self.crashes_in = last
        while checkpoint.planned_batch() < last:
            producer = KafkaProducer(bootstrap_servers=self.settings.kafka)
            producer.send(self.settings.events_topic, b"a record")
            producer.close()
            self.runs(checkpoint)
        self.crashes_in = -1
        return checkpoint


@pytest.fixture(scope="module")
def query() -> Iterator[Query]:
    with throwaway_stack(("kafka",)) as stack:
        kafka.set_up(stack.settings)
        query = Query(stack.settings)
        yield query
        query.spark.stop()


@pytest.fixture(scope="module")
def crashed(query: Query, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Checkpoint]:
    """By the number of the micro-batch in which Spark crashed."""
    return {last: query.crashed(tmp_path_factory.mktemp("crashed") / "checkpoint", last) for last in (LAST, 0)}


CASES = [
    *((LAST, name, what, content) for name, damages in DAMAGED.items() for what, content in damages.items()),
    *((LAST, name, "harmless", content) for name, content in HARMLESS.items()),
    *((0, "spark/sources/0/0", what, content) for what, content in {**NO_FIRST, "gone": None}.items()),
]


@pytest.mark.parametrize(
    ("last", "name", "content"),
    [
        pytest.param(last, name, content, id=f"{name} {what}")
        for last, name, what, content in CASES
        if name != IDENTITY and (name, what) not in BEGINS_ELSEWHERE
    ],
)
def test_what_spark_can_not_start_from_is_refused(
    query: Query, crashed: dict[int, Checkpoint], tmp_path: Path, last: int, name: str, content: bytes | None
) -> None:
    folder = shutil.copytree(crashed[last].folder, tmp_path / "checkpoint")
    checkpoint = Checkpoint(folder, query.settings.events_topic)
    stored = Progress(checkpoint.identity() or "", last, checkpoint.end_offsets(last))
    write(checkpoint, name, content)
    refused = False
    try:
        checkpoint.check("a query", stored)
    except CheckpointRefused:
        refused = True
    assert query.runs(checkpoint) is not refused
