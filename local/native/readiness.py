"""Proves that a service works by using it. Each check returns None when it does, else what is still missing."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import passwords
from settings import Settings

FRESH_S = 15
ALERTS_FRESH_S = 180  # its clock ticks once a minute


def _closed(host: str, port: int) -> str | None:
    """Cheaper than a driver, and quieter: they retry and complain at length where nothing listens yet."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError as error:
        return f"{host}:{port}: {error}"
    return None


def kafka(settings: Settings) -> str | None:
    """The broker lists its topics."""
    from kafka import KafkaAdminClient
    from kafka.errors import KafkaError

    if closed := _closed(settings.kafka_host, settings.kafka_port):
        return closed
    try:
        admin = KafkaAdminClient(bootstrap_servers=settings.kafka, request_timeout_ms=5000)
        try:
            admin.list_topics()
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        return repr(error)
    return None


def cassandra(settings: Settings) -> str | None:
    """A CQL query is answered, to the admin or, before the first set-up, to the default superuser."""
    from cassandra import DriverException
    from cassandra.auth import PlainTextAuthProvider
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
    from cassandra.policies import WhiteListRoundRobinPolicy

    if closed := _closed(settings.cassandra_host, settings.cassandra_port):
        return closed
    profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([settings.cassandra_host]))
    failure: Exception | None = None
    for user, password in (("admin", passwords.read(settings, "cassandra_admin")), ("cassandra", "cassandra")):
        cluster = Cluster(
            [settings.cassandra_host],
            port=settings.cassandra_port,
            auth_provider=PlainTextAuthProvider(user, password),
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            protocol_version=5,
            connect_timeout=5,
        )
        try:
            cluster.connect().execute("SELECT release_version FROM system.local")
        except (NoHostAvailable, DriverException, OSError) as error:
            failure = failure or error
        else:
            return None
        finally:
            cluster.shutdown()
    return repr(failure)


def mysql(settings: Settings) -> str | None:
    """A query of the root user is answered."""
    import mysql.connector

    if closed := _closed(settings.mysql_host, settings.mysql_port):
        return closed
    try:
        with mysql.connector.connect(
            host=settings.mysql_host,
            port=settings.mysql_port,
            user="root",
            password=passwords.read(settings, "mysql_root"),
            connection_timeout=5,
        ) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT 1")
            cursor.fetchall()
    except mysql.connector.Error as error:
        return repr(error)
    return None


def spark(settings: Settings) -> str | None:
    """The queries of each domain do as `_queries` says."""
    wrong = [f"{one.domain}: {missing}" for one in settings.each() if (missing := _queries(one))]
    return "; ".join(wrong) or None


def _queries(settings: Settings) -> str | None:
    """Both queries run, and the aggregates' one, the slower to start, has committed lately or has nothing to do."""
    from spark_jobs.heartbeat import heartbeat
    from stores import mysql, progress
    from stores.kafka import end_offsets
    from stores.retry import Unavailable

    alive = heartbeat(settings)
    if not alive.exists() or time.time() - alive.stat().st_mtime > FRESH_S:
        return "its queries do not run"
    try:
        with mysql.connected(settings, "reader", settings.domain) as connection:
            reached = progress.aggregated(connection)
        lag = reached.lag(end_offsets(settings))
    except Unavailable as outage:
        return str(outage)
    age_seconds = time.time() - reached.committed_at.timestamp()
    if lag and age_seconds > FRESH_S:
        return f"{lag} records wait, and the last micro-batch was committed {age_seconds:.0f} s ago"
    return None


def producer(_settings: Settings) -> str | None:
    """That its process runs is all it promises; what it sends shows in Spark's batches."""
    return None


def superset(settings: Settings) -> str | None:
    """The web server says that it is healthy."""
    try:
        url = f"{settings.superset}/health"
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return None if answer.status == 200 else f"{url} answers {answer.status}"
    except (urllib.error.URLError, OSError) as error:
        return repr(error)


def alerts(settings: Settings) -> str | None:
    """The worker has said that it waits for work, or has done some lately."""
    alive = settings.path("run", "alerts.alive")
    if not alive.exists() or time.time() - alive.stat().st_mtime > ALERTS_FRESH_S:
        return "its worker does not run"
    return None


CHECKS: dict[str, Callable[[Settings], str | None]] = {
    check.__name__: check for check in (kafka, cassandra, mysql, spark, producer, superset, alerts)
}
# Some five times what it takes on two idle cores; Spark has the producer's first minutes to read before it is current.
DEADLINE_S = {
    "kafka": 120,
    "cassandra": 180,
    "mysql": 120,
    "spark": 240,
    "producer": 30,
    "superset": 180,
    "alerts": 120,
}
