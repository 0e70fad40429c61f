"""The producer's ledger: what Kafka acknowledged, exactly, whenever the producer is killed.

Before records are sent, an *intent* is committed: what each of them counts for, how to recognise it in the topic, and
from which offsets on it can be there. When all are acknowledged, one transaction adds what they count for and deletes
the intent. An intent that outlives its producer is settled by the next one: it reads the topic from those offsets on
and counts the records that are there; the others were never sent.

The file is SQLite in WAL mode with synchronous=NORMAL: a commit is in the operating system's hands when it returns,
so it survives the death of the process by whatever signal, and readers see whole transactions while the producer
writes. A power cut can take the last commits with it, as it can take Kafka's last records.
"""

from __future__ import annotations

import fcntl
import math
import os
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from producer.records import CONFLICT, DUPLICATE, EVENT, GOOD, LATE, RELOAD, Record
from stores.offsets import Offsets, from_json, to_json

SCHEMA = """
CREATE TABLE IF NOT EXISTS intents (
  id       INTEGER PRIMARY KEY,
  offsets  TEXT NOT NULL,  -- JSON, partition -> the offset from which on its records can be
  entries  BLOB NOT NULL   -- zlib of msgpack, a list of Entry
);
CREATE TABLE IF NOT EXISTS events_by_minute (
  minute      INTEGER NOT NULL,  -- of occurred_at, in seconds since the epoch
  event_name  TEXT NOT NULL,
  events      INTEGER NOT NULL,
  amount      INTEGER NOT NULL,  -- of these events, as the contract has it
  PRIMARY KEY (minute, event_name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kinds (
  kind     TEXT PRIMARY KEY,  -- event, late, duplicate, conflict, reload, or a kind of malformed record
  records  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offsets (
  partition    INTEGER PRIMARY KEY,
  next_offset  INTEGER NOT NULL  -- the one after the last acknowledged record
);
CREATE TABLE IF NOT EXISTS simulations (
  identity  TEXT PRIMARY KEY
) WITHOUT ROWID;
"""

NO_MINUTES = math.inf
"""For who wants to know of the ledger's totals alone: the minutes of years take a while to be read."""

SCHEMA_VERSION = 2
"""Set with the schema: where it is not, a producer is about to create the ledger, or to bring it up to date."""

FROM_1_TO_2 = """
ALTER TABLE events_by_minute RENAME COLUMN revenue_cents TO amount;
UPDATE events_by_minute SET amount = amount + refund_cents;
ALTER TABLE events_by_minute DROP COLUMN refund_cents;
"""

T = TypeVar("T")


class LedgerError(Exception):
    """The ledger can't be used; the message says why and what to do."""


class LedgerBusyError(LedgerError):
    """Another producer has the ledger open."""


class Entry(NamedTuple):
    """What a record counts for, and how to recognise it in the topic."""

    identity: bytes
    kind: str
    event_name: str
    minute: int
    """Of occurred_at, in seconds since the epoch."""
    amount: int


def identity(key: bytes | None, value: bytes | None) -> bytes:
    """The same for records of the same bytes, and only for them."""
    # The lengths tell apart what the same bytes mean when they are cut elsewhere, and null from empty.
    digest = blake2b(b"%d %d " % (-1 if key is None else len(key), -1 if value is None else len(value)), digest_size=16)
    digest.update(key or b"")
    digest.update(value or b"")
    return digest.digest()


def entry(record: Record) -> Entry:
    return Entry(
        identity(record.key, record.value),
        record.kind,
        record.event_name,
        record.occurred_ms // 60_000 * 60,
        record.amount,
    )


@dataclass(frozen=True)
class Intent:
    id: int
    offsets: Offsets
    entries: list[Entry]


def there(entries: Iterable[Entry], identities: Iterable[bytes]) -> list[bool]:
    """For each of `entries`, in the order in which they were sent, whether the topic has it.

    `identities` are those of the topic's records. Copies are told apart by their number only: of an event and its
    duplicates the ones sent first are taken to be there, so that an event counts before its duplicates do.
    """
    left = Counter(identities)
    found = []
    for each in entries:
        found.append(left[each.identity] > 0)
        left[each.identity] -= 1
    return found


@dataclass(frozen=True)
class LedgerView:
    """What the ledger held at one moment."""

    kinds: dict[str, int]
    """Kind of record -> records acknowledged."""
    minutes: list[tuple[int, str, int, int]]
    """(minute of occurred_at in seconds since the epoch, event_name, events, amount), in order; those that were asked
    for. Each distinct valid event counts once."""
    offsets: Offsets
    unsettled: int
    """Intents whose records may be in Kafka and are not counted yet: a batch in flight."""
    hours: list[tuple[int, str, int, int]] = field(default_factory=list)
    """(hour, event_name, events, amount); those that were asked for."""

    @property
    def acknowledged(self) -> int:
        """All records: events, duplicates and malformed ones."""
        return sum(self.kinds.values())

    @property
    def events(self) -> int:
        """Distinct valid events."""
        return self.kinds.get(EVENT, 0) + self.late

    @property
    def late(self) -> int:
        """Distinct valid events that were sent long after they occurred; they are among `events`."""
        return self.kinds.get(LATE, 0)

    @property
    def conflicts(self) -> int:
        """Other contents under the id of an event."""
        return self.kinds.get(CONFLICT, 0)

    @property
    def reloads(self) -> int:
        """Events that were reported once more, under another id."""
        return self.kinds.get(RELOAD, 0)

    @property
    def duplicates(self) -> int:
        """All that is good and does not count: events sent twice, conflicts and reloads."""
        return self.kinds.get(DUPLICATE, 0) + self.conflicts + self.reloads

    @property
    def malformed_by_kind(self) -> dict[str, int]:
        good = (*GOOD, DUPLICATE, CONFLICT, RELOAD)
        return {kind: records for kind, records in self.kinds.items() if kind not in good}

    @property
    def malformed(self) -> int:
        return sum(self.malformed_by_kind.values())

    @property
    def by_name(self) -> dict[str, tuple[int, int]]:
        """Event name -> events and their amount, of the minutes."""
        sums: dict[str, tuple[int, int]] = {}
        for _, name, events, amount in self.minutes:
            before = sums.get(name, (0, 0))
            sums[name] = before[0] + events, before[1] + amount
        return sums

    def offsets_passed(self) -> Offsets:
        """Partition -> the offset after the last acknowledged record: who has read up to it has read them all."""
        return self.offsets


class Ledger:
    """The ledger, open for writing: by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Opens or creates the ledger at `path`; raises LedgerBusyError when another producer has it open."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise LedgerBusyError(f"another producer writes to the ledger {path}: stop it first") from None
        self._hold = _hold_file(path)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        # IMMEDIATE waits its turn; a reader that begins to write does not, and fails beside another that looks in.
        with self._transaction() as db:
            if db.execute("PRAGMA user_version").fetchone() == (1,):
                _from_1_to_2(db)
            _run(db, f"{SCHEMA} PRAGMA user_version = {SCHEMA_VERSION};")

    def close(self) -> None:
        self._db.close()
        os.close(self._hold)
        os.close(self._lock)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def read(path: Path, since: float = 0, hours_from: float = math.inf) -> LedgerView:
        """What the ledger at `path` holds now: of minutes those from `since` on, of hours those from `hours_from` on
        (beginnings of hours in seconds since the epoch). Works while a producer writes to it.

        Raises LedgerError when there is none.
        """
        with _reading(path) as db:
            return _view(db, since, hours_from)

    @staticmethod
    def hours(path: Path) -> set[int]:
        """The hours in which events occurred, by their beginnings in seconds since the epoch. Raises LedgerError."""
        with _reading(path) as db:
            return {hour for (hour,) in db.execute("SELECT DISTINCT minute / 3600 * 3600 FROM events_by_minute")}

    @staticmethod
    @contextmanager
    def held(path: Path) -> Iterator[None]:
        """Holds the producer: from here on it begins no batch, until the end. What is in flight still gets settled."""
        hold = _hold_file(path)
        try:
            fcntl.flock(hold, fcntl.LOCK_EX)
            yield
        finally:
            os.close(hold)

    @staticmethod
    def forget_offsets(path: Path) -> None:
        """Forgets up to where a topic was acknowledged that is gone: a producer may go on in another one."""
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM offsets")

    def view(self) -> LedgerView:
        return _view(self._db)

    def begin(self, simulation: str) -> None:
        """Notes the identity of the simulation whose records come next.

        Raises LedgerError when its records have been sent already: their event ids would come a second time.
        """
        try:
            self._db.execute("INSERT INTO simulations VALUES (?)", (simulation,))
        except sqlite3.IntegrityError:
            raise LedgerError(
                f"the events of this simulation have been sent already ({simulation}); they would all be duplicates: "
                "choose another seed or start"
            ) from None

    def intend(self, entries: Sequence[Entry], offsets: Mapping[int, int]) -> Intent:
        """Notes that records are about to be sent, and lie at `offsets` or later."""
        text = to_json(offsets)
        fcntl.flock(self._hold, fcntl.LOCK_SH)  # waits while somebody holds the producer
        cursor = self._db.execute("INSERT INTO intents (offsets, entries) VALUES (?, ?)", (text, _blob(entries)))
        fcntl.flock(self._hold, fcntl.LOCK_UN)
        return Intent(cursor.lastrowid or 0, dict(offsets), list(entries))

    def unsettled(self) -> list[Intent]:
        """The intents whose records are not counted yet, in the order in which they were sent."""
        rows = self._db.execute("SELECT id, offsets, entries FROM intents ORDER BY id").fetchall()
        return [
            Intent(
                number,
                from_json(offsets),
                _entries(entries, list[Entry]),
            )
            for number, offsets, entries in rows
        ]

    def settle_by(self, identities: Iterable[bytes], ends: Mapping[int, int]) -> list[bool]:
        """Settles all that is unsettled by what the topic has; for each of its records, whether it is there.

        `identities` are those of the topic's records from the first intent's offsets up to `ends`.
        """
        intents = self.unsettled()
        entries = [each for intent in intents for each in intent.entries]
        found = there(entries, identities)
        self.settle(intents, (each for each, is_there in zip(entries, found, strict=True) if is_there), ends)
        return found

    def settle(self, intents: Iterable[Intent], counted: Iterable[Entry], offsets: Mapping[int, int]) -> None:
        """Counts `counted` and forgets `intents`, together or not at all; `offsets` are those after the records."""
        kinds: Counter[str] = Counter()
        minutes: dict[tuple[int, str], list[int]] = {}
        for _, kind, event_name, minute, amount in counted:
            kinds[kind] += 1
            if kind in GOOD:
                sums = minutes.setdefault((minute, event_name), [0, 0])
                sums[0] += 1
                sums[1] += amount
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO kinds VALUES (?, ?) ON CONFLICT DO UPDATE SET records = records + excluded.records",
                kinds.items(),
            )
            db.executemany(
                "INSERT INTO events_by_minute VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "events = events + excluded.events, amount = amount + excluded.amount",
                [(*key, *sums) for key, sums in minutes.items()],
            )
            db.executemany(
                "INSERT INTO offsets VALUES (?, ?) ON CONFLICT DO UPDATE SET "
                "next_offset = max(next_offset, excluded.next_offset)",
                offsets.items(),
            )
            db.executemany("DELETE FROM intents WHERE id = ?", [(intent.id,) for intent in intents])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _blob(entries: Sequence[tuple]) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(entries), 1)


def _entries(blob: bytes, kind: type[T]) -> T:
    return msgspec.msgpack.decode(zlib.decompress(blob), type=kind)


def _run(db: sqlite3.Connection, script: str) -> None:
    """Statements within a transaction, which executescript would end."""
    for statement in script.split(";")[:-1]:
        db.execute(statement)


def _from_1_to_2(db: sqlite3.Connection) -> None:
    """Two columns became one, in what was counted and in what is in flight."""
    _run(db, FROM_1_TO_2)
    for number, blob in db.execute("SELECT id, entries FROM intents").fetchall():
        entries = [(*rest, one + other) for *rest, one, other in _entries(blob, list[tuple])]
        db.execute("UPDATE intents SET entries = ? WHERE id = ?", (_blob(entries), number))


def _hold_file(path: Path) -> int:
    return os.open(f"{path}.hold", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One snapshot for all that is read. Raises LedgerError where there is no ledger."""
    none = LedgerError(f"there is no ledger {path}: the producer has not run yet")
    if not path.exists():
        raise none
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as db:
        db.execute("BEGIN")
        [version] = db.execute("PRAGMA user_version").fetchone()
        if version and version < SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger {path} is of an earlier version: the producer's next start brings it up to date"
            )
        if version != SCHEMA_VERSION:
            raise none
        yield db


def _view(db: sqlite3.Connection, since: float = 0, hours_from: float = math.inf) -> LedgerView:
    def rows(query: str, *values: float) -> list[tuple]:
        return db.execute(query, values).fetchall()

    return LedgerView(
        kinds=dict(rows("SELECT kind, records FROM kinds ORDER BY kind")),
        minutes=rows("SELECT * FROM events_by_minute WHERE minute >= ? ORDER BY minute, event_name", since),
        offsets=dict(rows("SELECT partition, next_offset FROM offsets ORDER BY partition")),
        unsettled=rows("SELECT count(*) FROM intents")[0][0],
        hours=rows(
            "SELECT minute / 3600 * 3600 AS hour, event_name, sum(events), sum(amount) FROM events_by_minute "
            "WHERE minute >= ? GROUP BY hour, event_name",
            hours_from,
        ),
    )
