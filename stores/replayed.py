"""The dead letters that are closed: they were found good later, by `make replay`."""

from __future__ import annotations

from cassandra.cluster import Session

from settings import Settings
from stores import cassandra
from stores.dead_letter import Place

EVENT, DUPLICATE = "event", "duplicate"
"""What became of one: it counts since, or the same event had counted before."""


def outcomes(session: Session) -> dict[Place, str]:
    """Each dead letter that is closed -> EVENT or DUPLICATE. Raises Unavailable."""
    with cassandra.outages():
        rows = session.execute("SELECT kafka_partition, kafka_offset, outcome FROM replayed")
        return {(row.kafka_partition, row.kafka_offset): row.outcome for row in rows}


def closed(settings: Settings) -> dict[Place, str]:
    """The `outcomes`, by a connection of its own. Raises Unavailable."""
    with cassandra.connected(settings, "reader", settings.domain) as session:
        return outcomes(session)
