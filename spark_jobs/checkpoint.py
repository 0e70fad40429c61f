"""The checkpoint folder of a query: whose it is, and what Spark has planned and committed in it.

Spark knows where it was; the store knows what it has. They must agree, or events would be lost or counted twice. So a
folder carries an id of its own, which the store keeps beside its offsets, and a query only starts where both tell the
same story.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from stores.offsets import Offsets, to_json

IDENTITY = "checkpoint_id"


class CheckpointRefused(RuntimeError):  # noqa: N818 - it says what happened
    """Checkpoint, store and Kafka don't belong together; the message says why and what to do."""


MEND = "run 'make rebuild' to recompute the store from the archive and to start a checkpoint that belongs to it"


@dataclass(frozen=True)
class Progress:
    """What a store says of a query: `batch_id` is its last micro-batch (-1 before the first), `offsets` the next
    offset of each partition after it."""

    checkpoint_id: str
    batch_id: int
    offsets: Offsets


@contextmanager
def reading(path: Path) -> Iterator[bytes]:
    """A file's content. Raises CheckpointRefused where it can't be read, or its reader finds something else in it."""
    try:
        yield path.read_bytes()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointRefused(f"the checkpoint's file {path} can't be read ({error!r}): {MEND}") from error


def entry(content: bytes) -> list[Any]:
    """What an entry in one of Spark's logs says: after the line with the version, each line is JSON.

    Raises ValueError where it is none.
    """
    version, *lines = content.decode().splitlines() or [""]
    if version != "v1":
        raise ValueError(f"it begins with {version[:20]!r}, not with its version")
    return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint folder of one query over one topic."""

    folder: Path
    topic: str

    @property
    def spark_folder(self) -> str:
        """What Spark is given as the checkpoint location."""
        return str(self.folder / "spark")

    def identity(self) -> str | None:
        """The folder's id; None where there is none. Raises CheckpointRefused where it can't be read."""
        path = self.folder / IDENTITY
        if not path.exists():
            return None
        with reading(path) as content:
            return str(UUID(content.decode().strip()))

    def create(self) -> str:
        """Empties the folder, gives it an id and returns it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        identity = str(uuid4())
        (self.folder / IDENTITY).write_text(identity)
        return identity

    def _last(self, log: str) -> int:
        folder = Path(self.spark_folder) / log
        return max((int(f.name) for f in folder.glob("*") if f.name.isdigit()), default=-1)

    def planned_batch(self) -> int:
        """The last micro-batch whose offsets Spark has logged, -1 before the first."""
        return self._last("offsets")

    def committed_batch(self) -> int:
        """The last micro-batch that Spark has committed, -1 before the first."""
        return self._last("commits")

    def _offsets(self, offsets: Any) -> Offsets:
        return {int(partition): offset for partition, offset in offsets[self.topic].items()}

    def end_offsets(self, batch_id: int) -> Offsets:
        """The next offset of each partition after a planned micro-batch, from Spark's offset log.

        Raises CheckpointRefused where the log can't be read.
        """
        with reading(Path(self.spark_folder) / "offsets" / str(batch_id)) as content:
            _, of_only_source = entry(content)
            return self._offsets(of_only_source)

    def check_files(self) -> None:
        """Raises CheckpointRefused where one of the files can't be read that Spark starts from.

        These are its id, the last two entries of the log of offsets, the last one of the log of commits, and until a
        micro-batch is committed the first offsets, which it makes anew where there are none.
        """
        spark, planned, committed = Path(self.spark_folder), self.planned_batch(), self.committed_batch()
        if planned >= 0 or (spark / "metadata").exists():
            with reading(spark / "metadata") as content:
                UUID(json.loads(content)["id"])
        for batch_id in range(max(planned - 1, 0), planned + 1):
            self.end_offsets(batch_id)
        if committed >= 0:
            with reading(spark / "commits" / str(committed)) as content:
                entry(content)
        first = spark / "sources" / "0" / "0"
        if committed < 0 and planned <= 0 and first.exists():
            with reading(first) as content:
                [offsets] = entry(content[1:])  # the first byte is Spark's for older versions of itself
                self._offsets(offsets)

    def check(self, query: str, stored: Progress | None) -> None:
        """Raises CheckpointRefused unless the folder and the store's progress belong together."""
        identity = self.identity()
        if stored is None and identity is None and self.planned_batch() < 0:
            return
        if identity is None:
            raise CheckpointRefused(
                f"{query}: the checkpoint in {self.folder} is lost, the store has data of it: {MEND}"
            )
        if stored is None:
            raise CheckpointRefused(
                f"{query}: there is a checkpoint in {self.folder}, but the store knows none: {MEND}"
            )
        if stored.checkpoint_id != identity:
            raise CheckpointRefused(
                f"{query}: the checkpoint in {self.folder} is another stack's ({identity}), the store's is "
                f"{stored.checkpoint_id}: {MEND}"
            )
        self.check_files()
        planned, committed = self.planned_batch(), self.committed_batch()
        # Spark starts with the last planned one, whatever it has committed: the store must have all before it.
        if not max(committed, planned - 1) <= stored.batch_id <= planned:
            raise CheckpointRefused(
                f"{query}: the store is at micro-batch {stored.batch_id}, the checkpoint in {self.folder} planned "
                f"{planned} and committed {committed}: one of them is from an older copy: {MEND}"
            )
        if stored.batch_id >= 0 and self.end_offsets(stored.batch_id) != stored.offsets:
            raise CheckpointRefused(
                f"{query}: store and checkpoint in {self.folder} differ about the offsets of micro-batch "
                f"{stored.batch_id}: {MEND}"
            )


@dataclass(frozen=True)
class Kept:
    """What Kafka has of a topic: the first offset of each partition, and the next one at its end."""

    first: Offsets
    end: Offsets

    def begins_anew(self, reached: Offsets) -> bool:
        """Whether the topic ends before what was read of it."""
        return any(self.end.get(partition, -1) < offset for partition, offset in reached.items())

    def _read(self, reached: Offsets) -> Offsets:
        """Up to where this topic was read."""
        return {} if self.begins_anew(reached) else reached

    def gone(self, reached: Offsets) -> dict[int, range]:
        """By partition, what was not read of this topic and is no longer there."""
        read = self._read(reached)
        return {p: range(read.get(p, 0), first) for p, first in sorted(self.first.items()) if first > read.get(p, 0)}

    def start(self, reached: Offsets) -> Offsets:
        """Where a query goes on: at `reached`, or with the first records that there are."""
        read = self._read(reached)
        return {partition: max(first, read.get(partition, 0)) for partition, first in self.first.items()}

    def check(self, query: str, reached: Offsets) -> None:
        """Raises CheckpointRefused where there is no record that comes next."""
        if self.begins_anew(reached):
            raise CheckpointRefused(
                f"{query}: the topic ends at {to_json(self.end)}, and was read up to {to_json(reached)}: it was made "
                "anew, and what was not read of the one before is lost: run 'make rebuild', which keeps the archive "
                "and goes on with the first records"
            )
        if gone := self.gone(reached):
            raise CheckpointRefused(
                f"{query}: Kafka has deleted {told(gone)} before they were read: run 'make rebuild', which goes on "
                "with what the archive and Kafka have, and raise KAFKA_RETENTION_HOURS"
            )


def told(gone: Mapping[int, range]) -> str:
    """The number of records, and where they were."""
    places = "; ".join(f"partition {partition}, offsets {its[0]} to {its[-1]}" for partition, its in gone.items())
    return f"{sum(map(len, gone.values()))} records ({places})"
