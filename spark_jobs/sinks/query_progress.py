"""MySQL: how the queries get on, in a connection of its own beside the one that merges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mysql.connector.abstracts import MySQLConnectionAbstract

from settings import Settings
from spark_jobs.lag import Lag
from spark_jobs.merge import combine
from spark_jobs.query_progress import Report, last_batches, new, progress_by_minute, rows_of
from spark_jobs.sinks.mysql import merge_rows, now
from stores import mysql
from stores.retry import Unavailable


@dataclass
class ProgressSink:
    """The one writer of progress_by_minute and queries. Reconnects by itself after an outage."""

    settings: Settings
    _connection: MySQLConnectionAbstract | None = field(default=None, init=False)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write(self, reports: Sequence[Report], lags: Mapping[str, Lag]) -> None:
        """Counts the reports that were not counted yet, and notes the lags, in one transaction. Raises Unavailable."""
        try:
            if self._connection is None:
                self._connection = mysql.connect(self.settings, "spark", self.settings.domain)
            with mysql.transaction(self._connection) as cursor:
                cursor.execute("SELECT query, spark_query_id, batch_id FROM queries FOR UPDATE")
                noted = {query: (spark_query_id, batch_id) for query, spark_query_id, batch_id in cursor.fetchall()}
                told, looked_at = new(reports, noted), now()
                merge_rows(cursor, progress_by_minute, combine(progress_by_minute, rows_of(told, lags, looked_at)))
                for row in last_batches(told).rows():
                    cursor.execute(
                        "INSERT INTO queries (query, spark_query_id, batch_id, ended_at, records, duration_ms) "
                        "VALUES (%s, %s, %s, %s, %s, %s) AS new ON DUPLICATE KEY UPDATE "
                        "spark_query_id = new.spark_query_id, batch_id = new.batch_id, ended_at = new.ended_at, "
                        "records = new.records, duration_ms = new.duration_ms",
                        row,
                    )
                for query, lag in lags.items():
                    cursor.execute(
                        "UPDATE queries SET lag_records = %s, lag_ms = %s, looked_at = %s WHERE query = %s",
                        (lag.records, lag.ms, looked_at, query),
                    )
        except Unavailable:
            self.close()
            raise
