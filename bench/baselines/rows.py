"""The loop that people write first: kafka-python, cassandra-driver, mysql-connector, record by record."""

from __future__ import annotations

import json

import settings as settings_module
from bench.baselines.measured import Clock, Measured, main
from bench.baselines.stores import COUNT_UP, INSERT, NAME, counted, row
from bench.baselines.topic import values
from stores import cassandra, mysql
from stores.offsets import Offsets


def drain(ends: Offsets) -> Measured:
    settings = settings_module.load()
    clock = Clock(sum(ends.values()))
    with (
        cassandra.connected(settings, "admin", NAME) as session,
        mysql.connected(settings, "root", NAME) as connection,
    ):
        connection.autocommit = True
        insert, cursor = session.prepare(INSERT), connection.cursor()
        for done, payload in enumerate(values(settings, ends), start=1):
            event = json.loads(payload)
            session.execute(insert, row(event, payload))
            for dimension, minute, value, cents in counted(event):
                cursor.execute(COUNT_UP[dimension], (minute, value, 1, cents))
            clock.at(done)
    return clock.stopped()


if __name__ == "__main__":
    main(drain)
