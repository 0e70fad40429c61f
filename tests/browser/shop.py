"""A small seeded shop that is sent into a stack and comes to rest, and what the tables say of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from local.native.stack import Stack
from settings import Settings
from stores import mysql
from tests.integration import pipeline
from tests.waiting import wait_for

SEED = 20_260_314
BEGAN_MINUTES_AGO = 75
"""Long enough for carts to be abandoned by now, and within the contract's bound for late events."""
OPEN_MINUTES = 20
EVENTS = 60_000
AFTERWARDS = timedelta(minutes=32)
"""For so long the range goes on after the shop's last minute: its number of events is a mean, and a cart that was left
is an abandoned one after half an hour."""
WRITTEN_DOWN = timedelta(seconds=20)
"""After it has happened: what the queries say of their progress is written down some seconds later."""


class Minutes:
    """A range of minutes in which nothing moves any more; as text it is what the dashboards' filter by time takes.

    `since` and `until` are UTC, naive, whole minutes.
    """

    def __init__(self, settings: Settings, since: datetime, until: datetime) -> None:
        self.settings, self.since, self.until = settings, since, until

    def __str__(self) -> str:
        return f"{self.since.isoformat()} : {self.until.isoformat()}"

    def select(self, query: str, **values: object) -> list[dict]:
        """The rows of a SELECT that may use %(since)s and %(until)s, and %(earlier)s: the range before began then."""
        range_ = {"earlier": self.since - (self.until - self.since), "since": self.since, "until": self.until}
        return select(self.settings, query, **(range_ | values))

    def row(self, query: str, **values: object) -> dict[str, float]:
        """The only row of a SELECT of figures; raises AssertionError where one of them is of nothing, so NULL."""
        [row] = self.select(query, **values)
        assert None not in row.values(), f"nothing to compare: {row}"
        return {name: float(figure) for name, figure in row.items()}

    def figure(self, query: str, **values: object) -> float:
        """The only figure of a SELECT."""
        [figure] = self.row(query, **values).values()
        return figure


def select(settings: Settings, query: str, **values: object) -> list[dict]:
    """The rows of a SELECT, as the user has them who may only read."""
    with (
        mysql.connected(settings, "reader", settings.domain) as connection,
        connection.cursor(dictionary=True) as cursor,
    ):
        cursor.execute(query, values)
        return cursor.fetchall()


def opened(stack: Stack) -> Minutes:
    """Sends the shop's events, with faults among them, into a stack whose producer rests, waits until all of them have
    been counted, exactly, and returns the minutes in which the shop was open."""
    opened = pipeline.minutes_ago(BEGAN_MINUTES_AGO)
    sending = pipeline.shop(stack.settings, SEED, opened, OPEN_MINUTES, EVENTS, **pipeline.FAULTS)
    assert sending.wait() == 0
    pipeline.assert_exact(stack)
    since = opened.replace(tzinfo=None)
    return Minutes(stack.settings, since, since + timedelta(minutes=OPEN_MINUTES) + AFTERWARDS)


def worked(settings: Settings) -> Minutes:
    """The hour up to the last minute in which the pipeline of a stack at rest was at work; waits until that minute is
    over and written down."""
    [last] = select(settings, "SELECT MAX(ended_at) AS batch FROM queries")
    until = last["batch"].replace(second=0, microsecond=0) + timedelta(minutes=1)
    wait_for(
        "the pipeline's last minute is written down",
        lambda: datetime.now(UTC).replace(tzinfo=None) >= until + WRITTEN_DOWN,
    )
    return Minutes(settings, until - timedelta(hours=1), until)
