"""Where the pipeline is: what Kafka has, and how far each query got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from cassandra.cluster import Session
from mysql.connector.abstracts import MySQLConnectionAbstract

from stores import cassandra, mysql
from stores.offsets import Offsets, from_json, lag, waiting


@dataclass(frozen=True)
class Reached:
    """How far a query got: `offsets` is the next offset of each partition, the counts are of all records so far.

    `duplicates` are None for the archive, which does not tell them from other events.
    """

    offsets: Offsets
    records: int
    rejected: int
    committed_at: datetime
    aggregated: int | None = None
    duplicates: int | None = None

    def lag(self, ends: Offsets) -> int:
        """Records in Kafka up to these ends that the query has not done yet; it may be past some of them by now."""
        return lag(self.offsets, ends)

    def passed(self, ends: Offsets) -> bool:
        return not waiting(self.offsets, ends)


NOTHING = Reached({}, 0, 0, datetime.fromtimestamp(0, UTC))


def archived(session: Session) -> Reached:
    """How far the archive got. Raises Unavailable."""
    with cassandra.outages():
        row = session.execute("SELECT * FROM checkpoints WHERE query = 'archive'").one()
    if row is None:
        return NOTHING
    return Reached(from_json(row.offsets), row.records, row.rejected, row.committed_at.replace(tzinfo=UTC))


def aggregated(connection: MySQLConnectionAbstract) -> Reached:
    """How far the aggregates got. Raises Unavailable."""
    rows = mysql.query(
        connection,
        "SELECT offsets, records, rejected, committed_at, aggregated, duplicates FROM checkpoints "
        "WHERE query = 'aggregate'",
    )
    if not rows:
        return NOTHING
    offsets, records, rejected, committed_at, events, duplicates = rows[0]
    return Reached(from_json(offsets), records, rejected, committed_at.replace(tzinfo=UTC), events, duplicates)
