"""What each service is: the command that runs it, its environment, and what must be there before its first start."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import passwords
from local.native import java, mysql_server
from local.steps import StepError, run
from settings import INSTALL, ROOT, Settings, as_environment

JARS = INSTALL / "jars"
SUPERSET_PYTHON = INSTALL / "venv-superset" / "bin" / "python"

STATE_VARIABLE = "TILLSTREAM_STATE"
"""Set to its state folder in every process of a stack, so that they can be told from others, orphans too."""


@dataclass(frozen=True)
class Service:
    """One supervised process. `address` is what people connect to; `sources` are the files that it is made of. One that
    ends with one of `final_exit_codes` is not started again: after EX_CONFIG a restart can't help. `healthy` is the
    command that ends with 0 while it works, its container's health check; servers have none here, see readiness.py."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    address: str = ""
    sources: tuple[str, ...] = ()
    final_exit_codes: tuple[int, ...] = ()
    stop_wait_s: int = 30
    healthy: tuple[str, ...] = ()
    prepare: Callable[[], None] = field(default=lambda: None, compare=False)

    def digest(self) -> str:
        """A hash of the files that the process is made of: a service whose files changed is restarted by `up`."""
        return digest(ROOT / source for source in self.sources)


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files and folders."""
    total = hashlib.sha256()
    for path in paths:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                total.update(f"{file.name}\0{file.stat().st_size}\0".encode())
                total.update(file.read_bytes())
    return total.hexdigest()


def _existing(java_home: Path | None) -> Path:
    if java_home is None:
        raise StepError("there is no Java to run it on: run 'make up'")
    return java_home


def kafka(settings: Settings) -> Service:
    data = settings.path("data", "kafka")
    log_settings = f"-Dlog4j2.configurationFile={ROOT / 'kafka/log4j2.yaml'}"
    program = (str(_existing(java.home()) / "bin/java"), "-cp", f"{JARS / 'kafka'}/*", log_settings)
    environment = {
        "BROKER_LISTEN_ADDRESS": settings.kafka,
        "BROKER_ADVERTISED_ADDRESS": settings.kafka,
        "BROKER_CONTROLLER_ADDRESS": f"127.0.0.1:{settings.kafka_controller_port}",
        "BROKER_DATA_DIR": str(data),
    }

    def format_storage() -> None:
        if (data / "meta.properties").exists():
            return
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One argument with "=": one id in 64 begins with a hyphen and would be taken for an option.
        names = [f"--cluster-id={cluster_id}", f"--config={ROOT / 'kafka/server.properties'}"]
        run([*program, "kafka.tools.StorageTool", "format", *names], environment)

    return Service(
        name="kafka",
        command=(
            *program,
            f"-Xmx{settings.kafka_heap}",
            # By default Java begins with a 64th of the machine's memory, and lets garbage fill it before it collects.
            "-Xms64m",
            "-XX:+UseSerialGC",  # with a heap this small the others only cost memory
            "-XX:+ExitOnOutOfMemoryError",
            "kafka.Kafka",
            str(ROOT / "kafka/server.properties"),
        ),
        environment=environment,
        address=settings.kafka,
        sources=("kafka",),
        prepare=format_storage,
    )


def cassandra(settings: Settings) -> Service:
    jars = JARS / "cassandra"
    properties = {
        "cassandra.config": f"file://{ROOT / 'cassandra/cassandra.yaml'}",
        "cassandra.config.allow_system_properties": "true",
        "cassandra.native_transport_port": settings.cassandra_port,
        "cassandra.settings.rpc_address": settings.cassandra_host,
        "cassandra.storage_port": settings.cassandra_storage_port,
        "cassandra.storagedir": settings.path("data", "cassandra"),
        "cassandra-foreground": "yes",
        "logback.configurationFile": ROOT / "cassandra/logback.xml",
    }
    return Service(
        name="cassandra",
        command=(
            str(_existing(java.cassandra_home()) / "bin/java"),
            f"@{ROOT / 'cassandra/jvm17-server.options'}",
            f"-Xmx{settings.cassandra_heap}",
            f"-javaagent:{next(jars.glob('jamm-*.jar'), jars)}",
            *(f"-D{name}={value}" for name, value in properties.items()),
            "-cp",
            f"{jars}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ),
        environment={},
        address=f"{settings.cassandra_host}:{settings.cassandra_port}",
        sources=tuple(
            f"cassandra/{name}" for name in ("cassandra.yaml", "jvm17-server.options", "logback.xml", "pom.xml")
        ),
    )


def mysql(settings: Settings) -> Service:
    server = mysql_server.find()
    data = settings.path("data", "mysql")

    def command(data_dir: Path) -> tuple[str, ...]:
        return (
            *server.program,
            f"--defaults-file={ROOT / 'mysql/my.cnf'}",
            *server.options,
            f"--user={getpass.getuser()}",
            f"--datadir={data_dir}",
            f"--bind-address={settings.mysql_host}",
            f"--port={settings.mysql_port}",
            "--socket=mysqld.sock",  # in the data folder: a full path could be too long for a socket
            "--pid-file=mysqld.pid",
        )

    def initialize() -> None:
        """The root user is born with its generated password: no moment without one."""
        if data.exists():
            return
        unfinished = data.with_name("mysql.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        script = settings.path("run", "mysql-root.sql")
        script.touch(mode=0o600)
        try:
            password = passwords.read(settings, "mysql_root")
            script.write_text(f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n")
            run([*command(unfinished), "--initialize", f"--init-file={script}"])
        finally:
            script.unlink()
        unfinished.rename(data)

    return Service(
        name="mysql",
        command=command(data),
        environment={},
        address=f"{settings.mysql_host}:{settings.mysql_port}",
        sources=("mysql/my.cnf", "local/native/mysql_server.py"),
        prepare=initialize,
        stop_wait_s=60,
    )


PROGRAMS = {"spark": ("SPARK_",), "producer": ("PRODUCER_",), "superset": ("SUPERSET_", "ALERT_")}
"""Program -> how the names of the settings begin that it alone reads."""


def _settings_for(program: str, settings: Settings) -> dict[str, str]:
    """All settings but the other programs' own, so that a change of one of those restarts no more than it must."""
    others = tuple(prefix for name, prefixes in PROGRAMS.items() if name != program for prefix in prefixes)
    return {name: value for name, value in as_environment(settings).items() if not name.startswith(others)}


def spark(settings: Settings) -> Service:
    return Service(
        name="spark",
        command=(sys.executable, "-m", "spark_jobs"),
        environment={
            **_settings_for("spark", settings),
            "JAVA_HOME": str(_existing(java.home())),
            "PYSPARK_PYTHON": sys.executable,  # else the workers start the system's Python
        },
        sources=("spark_jobs", "contracts", "stores", "settings.py", "passwords.py", "requirements/pipeline.txt"),
        final_exit_codes=(0, os.EX_CONFIG),
        stop_wait_s=60,
        healthy=(sys.executable, "-m", "spark_jobs.heartbeat"),
    )


def producer(settings: Settings) -> Service:
    return Service(
        name="producer",
        command=(sys.executable, "-m", "producer"),
        environment=_settings_for("producer", settings),
        sources=("producer", "contracts", "stores", "settings.py", "requirements/pipeline.txt"),
        final_exit_codes=(0, os.EX_CONFIG),
        healthy=(sys.executable, "-m", "producer.healthy"),
    )


def superset(settings: Settings) -> Service:
    return Service(
        name="superset",
        command=(
            str(SUPERSET_PYTHON.with_name("gunicorn")),
            "--config",
            str(ROOT / "superset/gunicorn.conf.py"),
            "superset.app:create_app()",
        ),
        environment=_settings_for("superset", settings),
        address=settings.superset,
        sources=(
            "superset",
            "audit/raw_events.py",
            "stores",
            "contracts",
            "settings.py",
            "passwords.py",
            "requirements/superset.txt",
        ),
        healthy=(str(SUPERSET_PYTHON), "superset/healthy.py"),
    )


def alerts(settings: Settings) -> Service:
    return Service(
        name="alerts",
        command=(str(SUPERSET_PYTHON), str(ROOT / "superset/alerts_worker.py")),
        environment=_settings_for("superset", settings),
        sources=("superset", "settings.py", "passwords.py", "requirements/superset.txt"),
        final_exit_codes=(os.EX_CONFIG,),
        healthy=(str(SUPERSET_PYTHON), "superset/alerts_healthy.py"),
    )


MADE_BY: dict[str, Callable[[Settings], Service]] = {
    make.__name__: make for make in (kafka, cassandra, mysql, spark, producer, superset, alerts)
}

DATA_FOLDERS = ("data", "checkpoints", "ledger")
"""Of the state folder: what a native stack has to lose. Secrets without it open nothing."""
