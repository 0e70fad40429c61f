"""What the tables say of a range of minutes that are over, to be held against what a dashboard shows of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from settings import Settings
from stores import mysql

RANGE_MINUTES = 10


class Minutes:
    """A range of minutes; as text it is what the dashboards' filter by time takes."""

    def __init__(self, settings: Settings) -> None:
        self.until = datetime.now(UTC).replace(second=0, microsecond=0, tzinfo=None) - timedelta(minutes=1)
        self.since = self.until - timedelta(minutes=RANGE_MINUTES)
        self.connection = mysql.connect(settings, "reader", settings.domain)
        self.connection.autocommit = True

    def __str__(self) -> str:
        return f"{self.since.isoformat()} : {self.until.isoformat()}"

    def select(self, query: str, **values: object) -> list[dict]:
        """The rows of a SELECT that may use %(since)s and %(until)s, and %(earlier)s: the range before began then."""
        range_ = {"earlier": self.since - (self.until - self.since), "since": self.since, "until": self.until}
        with self.connection.cursor(dictionary=True) as cursor:
            cursor.execute(query, {**range_, **values})
            return cursor.fetchall()

    def figure(self, query: str, **values: object) -> float:
        """The only figure of a SELECT."""
        [[figure]] = [row.values() for row in self.select(query, **values)]
        return float(figure)
