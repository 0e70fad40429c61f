"""How busy the shop is over a day.

Every country follows the same curve by its own clock: quiet at night, busiest in the evening. Their sum over the
time zones is the load, and decides which countries' shoppers are about.
"""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate

from producer.domains.ecommerce.countries import COUNTRIES

MINUTES_PER_DAY = 1440

LOCAL_HOURS = (
    0.50, 0.34, 0.26, 0.22, 0.22, 0.28, 0.42, 0.62, 0.82, 0.98, 1.10, 1.18,
    1.24, 1.20, 1.14, 1.12, 1.14, 1.22, 1.36, 1.56, 1.72, 1.68, 1.34, 0.86,
)  # fmt: skip
"""Activity at each full hour of the local day, in any unit."""


def local_activity(minute_of_day: int) -> float:
    """Activity at a minute of the local day, between the full hours on a straight line."""
    hour, minute = divmod(minute_of_day % MINUTES_PER_DAY, 60)
    return LOCAL_HOURS[hour] + (LOCAL_HOURS[(hour + 1) % 24] - LOCAL_HOURS[hour]) * minute / 60


_DAY_SUM = sum(local_activity(minute) for minute in range(MINUTES_PER_DAY))

COUNTRY_LOAD = tuple(
    tuple(
        accumulate(
            country.share * MINUTES_PER_DAY * local_activity(minute + country.utc_offset_minutes) / _DAY_SUM
            for country in COUNTRIES
        )
    )
    for minute in range(MINUTES_PER_DAY)
)
"""For each minute of the UTC day the countries' loads, accumulated in the order of COUNTRIES."""

LOAD = tuple(loads[-1] for loads in COUNTRY_LOAD)
"""For each minute of the UTC day the load of the shop as a multiple of the day's mean."""


def day_rate(rate: float, start: datetime, minutes: int = 1) -> float:
    """The setting PRODUCER_RATE, which is the mean over a day, with which a shop has `rate` in the mean over so many
    minutes from the one of `start` (UTC) on."""
    first = 60 * start.hour + start.minute
    loads = [LOAD[minute % MINUTES_PER_DAY] for minute in range(first, first + minutes)]
    return rate * len(loads) / sum(loads)
