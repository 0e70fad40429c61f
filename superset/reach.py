"""What MySQL has by minute and by hour (stores/coverage.py)."""

from __future__ import annotations

from collections.abc import Callable

from cachetools.func import ttl_cache
from grain import Reach
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

KNOWN_FOR_S = 1
"""A chart asks several times, and those of a dashboard at once."""


def reader(database: URL) -> Callable[[], Reach]:
    """What tells it of a domain's database. Raises SQLAlchemy's errors."""
    engine = create_engine(database, pool_pre_ping=True)

    @ttl_cache(maxsize=1, ttl=KNOWN_FOR_S)
    def reach() -> Reach:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT minutes_from, COALESCE(hours_until, minutes_from) FROM coverage"))
            return Reach(*found.one())

    return reach
