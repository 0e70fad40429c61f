"""Cassandra: sessions, the schema of a domain and the roles, each with the least it needs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any
from zlib import crc32

from cassandra import (
    AuthenticationFailed,
    OperationTimedOut,
    RequestExecutionException,
    Unauthorized,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.connection import ConnectionException
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy

import contracts
import passwords
from contracts import Contract, Field
from contracts.contract import RAW
from settings import ROOT, Settings
from stores import time_to_live
from stores.migration import OPTIONS, CassandraTable, cassandra_statements
from stores.retry import Unavailable

log = logging.getLogger(__name__)

FACTORY_USER = "cassandra"  # the superuser, with this name as password, that every new Cassandra begins with
GRANTS = {  # role -> what it may do, and where
    "spark": (("SELECT", "KEYSPACE {domain}"), ("MODIFY", "KEYSPACE {domain}")),
    "reader": (("SELECT", "KEYSPACE {domain}"),),
    "auditor": (("SELECT", "KEYSPACE {domain}"), ("MODIFY", "TABLE {domain}.proven_hours")),
}
REQUEST_TIMEOUT_S = 20.0
RECONNECT_EVERY_S = 1.0
SHARDS = 16
CQL_TYPES = {"uuid": "uuid", "string": "text"}
"""Type of a field by which events are found -> the column's."""
READS_IN_FLIGHT = 32


def passed_over(session: Session, partitions: Iterable[tuple[datetime, int]]) -> Iterator[Any]:
    """What was decided about archived events of these partitions (minute, UTC; shard) that do not count: rows with
    event_id, digest, reason. Raises the driver's errors."""
    select = "SELECT event_id, digest, reason FROM passed_over WHERE minute = %s AND shard = %s"
    for _, rows in execute_concurrent_with_args(session, select, list(partitions), concurrency=READS_IN_FLIGHT):
        yield from rows


def received(row: Any) -> Iterator[tuple[bytes | None, str]]:
    """Digest and payload of each event that came under the key of an archive's row (columns payload, payloads); the
    digest is None of one from before they were kept."""
    if row.payload:
        yield None, row.payload
    yield from (row.payloads or {}).items()


def shard(key: bytes) -> int:
    """The shard of a minute, 0 to 15, in which the events with this key lie: an id of 16 bytes, or a text."""
    return (key[0] if len(key) == 16 else crc32(key)) % SHARDS


@contextmanager
def outages() -> Iterator[None]:
    """Turns the driver's errors that mean an outage into Unavailable."""
    try:
        yield
    except NoHostAvailable as error:
        if any(isinstance(cause, AuthenticationFailed | Unauthorized) for cause in error.errors.values()):
            raise
        raise Unavailable(f"Cassandra: {error}") from error
    except (OperationTimedOut, RequestExecutionException, ConnectionException) as error:
        if isinstance(error, Unauthorized | AuthenticationFailed):
            raise
        raise Unavailable(f"Cassandra: {type(error).__name__}: {error}") from error


def _open(settings: Settings, user: str, password: str, keyspace: str | None) -> Session:
    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc="datacenter1")),
        request_timeout=REQUEST_TIMEOUT_S,
    )
    cluster = Cluster(
        [settings.cassandra_host],
        port=settings.cassandra_port,
        auth_provider=PlainTextAuthProvider(user, password),
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        protocol_version=5,
        compression=False,  # costs both sides more than it spares a network as near as this
        connect_timeout=10,
        # The driver's own pauses grow to ten minutes: after a long outage it would still wait when all works again.
        reconnection_policy=ConstantReconnectionPolicy(RECONNECT_EVERY_S, max_attempts=None),
    )
    try:
        with outages():
            return cluster.connect(keyspace)
    except BaseException:
        cluster.shutdown()
        raise


@contextmanager
def connected(settings: Settings, role: str, keyspace: str | None = None) -> Iterator[Session]:
    """A session that is closed at the end; see `connect`."""
    session = connect(settings, role, keyspace)
    try:
        yield session
    finally:
        session.cluster.shutdown()


def connect(settings: Settings, role: str, keyspace: str | None = None) -> Session:
    """A session as admin, spark, reader or auditor; close it by `session.cluster.shutdown()`. Raises Unavailable."""
    return _open(settings, role, passwords.read(settings, f"cassandra_{role}"), keyspace)


def _replace_factory_user(settings: Settings) -> None:
    """The first boot: a superuser of our own, and nobody can log in with the factory's password again."""
    with outages():
        factory = _open(settings, FACTORY_USER, FACTORY_USER, None)
        factory.execute(
            "CREATE ROLE IF NOT EXISTS admin WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = %s",
            (passwords.read(settings, "cassandra_admin"),),
        )
        factory.cluster.shutdown()


def _admin(settings: Settings) -> Session:
    try:
        return connect(settings, "admin")
    except NoHostAvailable:
        _replace_factory_user(settings)
        return connect(settings, "admin")


def statements(script: str) -> list[str]:
    """The statements of a .cql file, without comments."""
    plain = re.sub(r"--[^\n]*", "", script)
    return [statement.strip() for statement in plain.split(";") if statement.strip()]


def scripts(contract: Contract, ttl_seconds: int) -> list[str]:
    """What makes a domain's tables: the pipeline's own, and those of raw events as its contract has them."""
    [by] = (field for field in contract.fields if field.name == contract.partitioned_by)
    made = [_script("pipeline", ttl_seconds), _script("raw_events", ttl_seconds, by)]
    for lookup in contract.lookups:
        names = {"table": lookup.table, "name": lookup.name}
        if lookup.table != RAW:
            made.append(_script("lookup", ttl_seconds, lookup.field, **names))
        if contract.amount and contract.amount.table == lookup.table:
            made.append(_script("amount", ttl_seconds, **names))
    return made


def _script(stem: str, ttl_seconds: int, field: Field | None = None, **names: str) -> str:
    """A .cql file with what stands in it in braces."""
    names |= {"ttl_seconds": str(ttl_seconds)} | ({"field": field.name, "type": CQL_TYPES[field.type]} if field else {})
    script = (ROOT / "cassandra" / f"{stem}.cql").read_text()
    for name, text in names.items():
        script = script.replace(f"{{{name}}}", text)
    return script


def set_up(settings: Settings, report: Callable[[str], None] = log.info) -> None:
    """Makes roles, the domain's keyspace and tables where they are missing. Raises Unavailable."""
    domain = settings.domain
    with outages():
        session = _admin(settings)
        try:
            roles = {row.role: row for row in session.execute("LIST ROLES")}
            if roles[FACTORY_USER].login:
                session.execute(
                    f"ALTER ROLE {FACTORY_USER} WITH SUPERUSER = false AND LOGIN = false AND PASSWORD = %s",
                    (token_urlsafe(24),),
                )
                report("Cassandra: the factory's superuser can't log in any more")
            wanted = scripts(contracts.load(domain), settings.cassandra_ttl_days * 86400)
            before = tables(session, domain).get("replayed")
            migrate(session, domain, wanted, report)
            create(session, domain, wanted)
            lived_days = before and int(before.options["default_time_to_live"]) // 86400
            time_to_live.note(session, lived_days, settings.cassandra_ttl_days, datetime.now(UTC))
            report(f"Cassandra: applied the tables of {domain}")
            for role, rights in GRANTS.items():
                if role not in roles:
                    session.execute(
                        f"CREATE ROLE IF NOT EXISTS {role} WITH LOGIN = true AND PASSWORD = %s",
                        (passwords.read(settings, f"cassandra_{role}"),),
                    )
                for right, where in rights:
                    session.execute(f"GRANT {right} ON {where.format(domain=domain)} TO {role}")
        finally:
            session.cluster.shutdown()


def create(session: Session, keyspace: str, scripts: Iterable[str]) -> None:
    """Makes a keyspace and its tables where they are missing, and uses it."""
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
        "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    )
    session.set_keyspace(keyspace)
    for script in scripts:
        for statement in statements(script):
            session.execute(statement)


def tables(session: Session, keyspace: str) -> dict[str, CassandraTable]:
    """Name -> what Cassandra says of each table of a keyspace."""
    columns: dict[str, list] = {}
    for row in session.execute("SELECT * FROM system_schema.columns WHERE keyspace_name = %s", (keyspace,)):
        columns.setdefault(row.table_name, []).append(row)
    found = {}
    for row in session.execute("SELECT * FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,)):
        mine = columns[row.table_name]
        key = [column for column in mine if column.kind != "regular"]
        found[row.table_name] = CassandraTable(
            key=tuple(
                (c.kind, c.column_name, c.type) for c in sorted(key, key=lambda c: (c.kind, c.position), reverse=True)
            ),
            columns={c.column_name: c.type for c in mine if c.kind == "regular"},
            options={name: dict(row.compaction) if name == "compaction" else getattr(row, name) for name in OPTIONS},
        )
    return found


def migrate(session: Session, keyspace: str, scripts: Iterable[str], report: Callable[[str], None] = log.info) -> None:
    """Makes the tables that are there what the scripts say; see stores/migration.py. Raises SchemaError."""
    live = tables(session, keyspace)
    if not live:
        return
    declared = f"{keyspace}__declared"
    session.execute(f"DROP KEYSPACE IF EXISTS {declared}")
    try:
        create(session, declared, scripts)
        for name, table in tables(session, declared).items():
            for statement in cassandra_statements(f"{keyspace}.{name}", live[name], table) if name in live else ():
                session.execute(statement)
                report(f"Cassandra: {statement}")
    finally:
        session.execute(f"DROP KEYSPACE IF EXISTS {declared}")
