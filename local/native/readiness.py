"""Proves that a service works by using it. Each check returns None when it does, else what is still missing."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable

import passwords
from local.native.services import MADE_BY
from settings import ROOT, Settings

TIMEOUT_S = 30


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


SERVERS: dict[str, Callable[[Settings], str | None]] = {check.__name__: check for check in (kafka, cassandra, mysql)}
"""Unlike their containers' health checks these work before the set-up has made users, and without a server's client."""


def missing(name: str, settings: Settings) -> str | None:
    """What a service still lacks, by using it: a server itself, of our own programs what their containers ask, too."""
    if check := SERVERS.get(name):
        return check(settings)
    service = MADE_BY[name](settings)
    try:
        done = subprocess.run(
            service.healthy,
            cwd=ROOT,
            env={**os.environ, **service.environment},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"its health check takes longer than {TIMEOUT_S} s"
    said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
    return said[-1] if done.returncode else None


# Some five times what it takes on two idle cores; Spark has the producer's first minutes to read before it is current.
DEADLINE_S = {
    "kafka": 120,
    "cassandra": 180,
    "mysql": 120,
    "spark": 240,
    "producer": 60,
    "superset": 180,
    "alerts": 120,
}
