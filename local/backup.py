"""Backs up a stack's data as of one moment, and puts it back.

The whole stack is stopped for it, so that Kafka, both stores, the checkpoints between them and the producer's ledger
stand at the same record: copies made while they run would not agree. Each part is one compressed tar file.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path

from local import kept_domains
from local.runtime import SERVICES, Runtime, switched_on
from local.steps import StepError
from settings import ROOT

log = logging.getLogger(__name__)

STORES = ("mysql", "cassandra", "checkpoints", "secrets")
"""What belongs together in any case: the stores, where Spark stands in them, and the passwords that open them."""
SOURCE = ("kafka", "ledger")
"""What is put back only where it is lost: a Kafka that is there has all that came since, and the stores catch up."""
KAFKA_ID = "kafka_id"
FOLDER = ROOT / ".local" / "backups"
ENDED = ("STOPPED", "EXITED", "FATAL", "CREATED", "DEAD")
"""States, in the words of either runtime, of a service that need not be started again."""


def file_of(part: str) -> str:
    return f"{part}.tar.gz"


@contextlib.contextmanager
def stopped(stack: Runtime, otherwise: Collection[str]) -> Iterator[None]:
    """Stops everything, and starts again what ran, or `otherwise`, where nothing did."""
    running = [row.name for row in stack.status() if row.state not in ENDED and row.name in SERVICES]
    stack.down()
    try:
        yield
    except BaseException:
        if running:
            stack.up(running)
        raise
    if running or otherwise:
        stack.up(running or otherwise)


def backup(stack: Runtime, folder: Path | None = None) -> Path:
    """Copies all data into a new folder, by default one named by the time; returns it. Raises StepError."""
    folder = folder or FOLDER / datetime.now(timezone.utc).strftime("%Y-%m-%dT%H-%M-%SZ")
    if folder.exists():
        raise StepError(f"{folder} is there already: name another folder")
    kafka_id = stack.kafka_id()
    if kafka_id is None:
        raise StepError("there is no data yet: run 'make up'")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    (unfinished / KAFKA_ID).write_text(kafka_id)
    kept_domains.keep(unfinished, stack.settings.domains)
    with stopped(stack, otherwise=()):
        for part in (*STORES, *SOURCE):
            log.info("%-16s is copied", part)
            stack.pack(part, unfinished / file_of(part))
        unfinished.rename(folder)
    return folder


def restore(stack: Runtime, folder: Path, services: Collection[str] | None = None) -> None:
    """Puts the data of a backup in the place of the stack's own; can be run again where it was interrupted.

    Then what ran before is started; where nothing did, `services`, or all that are switched on. Raises StepError,
    before anything is changed, where the backup is not whole or the stack has another Kafka.
    """
    names = (KAFKA_ID, *map(file_of, (*STORES, *SOURCE)))
    if missing := [name for name in names if not (folder / name).exists()]:
        raise StepError(f"{folder} is no backup: {', '.join(missing)} is missing")
    kafka_id = stack.kafka_id()
    if kafka_id not in (None, (folder / KAFKA_ID).read_text()):
        raise StepError(
            f"the backup in {folder} is of a stack with another Kafka, whose records this one does not have: "
            "restore it into an empty stack ('make clean' removes all data of this one)"
        )
    with stopped(stack, otherwise=switched_on(stack.settings) if services is None else services):
        kept_domains.keep(stack.settings.path("run"), stack.settings.domains)
        # Kafka last: as long as it is not there, an interrupted restore is told from one that kept a newer Kafka.
        for part in STORES if kafka_id else (*STORES, *reversed(SOURCE)):
            log.info("%-16s is put back", part)
            stack.unpack(part, folder / file_of(part))
