"""From when on MySQL has minutes: what was before is there as hours (stores/coverage.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cachetools.func import ttl_cache
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL

KNOWN_FOR_S = 1
"""A chart asks several times, and those of a dashboard at once."""


def reader(database: URL) -> Callable[[], datetime]:
    """What tells it, in UTC and naive, of a domain's database. Raises SQLAlchemy's errors."""
    engine = create_engine(database, pool_pre_ping=True)

    @ttl_cache(maxsize=1, ttl=KNOWN_FOR_S)
    def minutes_from() -> datetime:
        with engine.connect() as connection:
            return connection.execute(text("SELECT minutes_from FROM coverage")).scalar_one()

    return minutes_from
