"""The ledger: it counts what the topic has, wherever a producer dies."""

import os
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from threading import Timer

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.faults import Rates
from producer.ledger import Ledger, LedgerBusyError, LedgerError, LedgerView, entry, identity, there
from producer.simulate import Simulation, simulate

SHOP = Simulation(
    "ecommerce", 3, datetime(2026, 11, 22, 12, 0, tzinfo=UTC), 20.0, Rates(duplicates=0.2, late=0.1, malformed=0.2)
)
RECORDS = list(simulate(SHOP, 1_500))
BATCH = 400
STEPS = 29
"""Places at which `produce` can die with these records."""


def counted(records) -> LedgerView:
    """What a ledger should hold of `records`, counted another way."""
    kinds = Counter(record.kind for record in records)
    minutes: dict = {}
    for record in records:
        if record.kind in ("event", "late"):
            key = (record.occurred_ms // 60_000 * 60, record.event_name)
            events, amount = minutes.get(key, (0, 0))
            minutes[key] = (events + 1, amount + record.amount)
    return LedgerView(
        kinds=dict(sorted(kinds.items())),
        minutes=[(*key, *sums) for key, sums in sorted(minutes.items())],
        offsets={0: len(records)},
        unsettled=0,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "ledger.sqlite"


class Killed(Exception):  # noqa: N818
    """Stands for a kill -9: nothing after it is done."""


def produce(path, records, topic, kill_at=None):
    """A producer of `records` as the publisher does it, to a topic that is a list; dies at its `kill_at`th step."""
    step = 0

    def alive():
        nonlocal step
        step += 1
        if step == kill_at:
            raise Killed

    with Ledger(path) as ledger:
        intents = ledger.unsettled()
        if intents:
            start = intents[0].offsets[0]
            alive()
            ledger.settle_by([identity(key, value) for key, value in topic[start:]], {0: len(topic)})
        for first in range(0, len(records), BATCH):
            batch = records[first : first + BATCH]
            entries = [entry(record) for record in batch]
            alive()
            intent = ledger.intend(entries, {0: len(topic)})
            for number, record in enumerate(batch):
                if number % 150 == 7:
                    alive()
                topic.append((record.key, record.value))
            alive()
            ledger.settle([intent], entries, {0: len(topic)})
        alive()


@pytest.mark.parametrize("kill_at", range(1, STEPS + 1))
def test_a_kill_anywhere_leaves_an_exact_ledger(path, kill_at):
    topic: list = []
    with suppress(Killed):
        produce(path, RECORDS, topic, kill_at)
    sent = len(topic)
    produce(path, [], topic)
    assert Ledger.read(path) == counted(RECORDS[:sent]) or (sent == 0 and Ledger.read(path).acknowledged == 0)


def test_every_step_of_a_producer_is_a_place_to_die(path):
    with pytest.raises(Killed):
        produce(path, RECORDS, [], kill_at=STEPS)
    path.unlink()
    produce(path, RECORDS, [], kill_at=STEPS + 1)


def test_a_kill_while_settling_settles_again(path):
    topic: list = []
    with pytest.raises(Killed):
        produce(path, RECORDS, topic, kill_at=7)
    with pytest.raises(Killed):
        produce(path, [], topic, kill_at=1)
    produce(path, [], topic)
    assert Ledger.read(path) == counted(RECORDS[: len(topic)])


@given(data=st.data())
def test_what_is_there_is_recognised_in_number_and_order(data):
    letters = data.draw(st.lists(st.sampled_from("abc"), max_size=12))
    present = data.draw(st.lists(st.sampled_from("abc"), max_size=12))
    entries = [entry(RECORDS[0])._replace(identity=letter.encode()) for letter in letters]
    found = there(entries, [letter.encode() for letter in present])
    for letter in "abc":
        of_letter = [is_there for is_there, other in zip(found, letters, strict=True) if other == letter]
        assert sum(of_letter) == min(len(of_letter), present.count(letter))
        assert of_letter == sorted(of_letter, reverse=True)  # those sent first are taken to be there


@pytest.mark.parametrize(
    ("one", "other"),
    [((b"a", b"bc"), (b"ab", b"c")), ((b"a", None), (b"a", b"")), ((None, b"a"), (b"", b"a"))],
)
def test_identities_differ_where_the_bytes_do(one, other):
    assert identity(*one) != identity(*other)
    assert identity(*one) == identity(*one)


def test_the_view_names_its_figures(path):
    produce(path, RECORDS, [])
    view = Ledger.read(path)
    kinds = Counter(record.kind for record in RECORDS)
    assert view.acknowledged == len(RECORDS)
    assert view.events == 1_500 == sum(events for _, _, events, _ in view.minutes)
    assert view.late == kinds["late"] > 0
    assert view.duplicates == kinds["duplicate"] > 0
    assert view.malformed == len(RECORDS) - 1_500 - view.duplicates == sum(view.malformed_by_kind.values()) > 0
    for name in ("purchase", "view_item"):
        of_name = [r for r in RECORDS if r.event_name == name and r.kind in ("event", "late")]
        assert view.by_name[name] == (len(of_name), sum(record.amount for record in of_name))
    assert view.by_name["purchase"] > (0, 0)
    assert view.offsets_passed() == {0: len(RECORDS)}
    assert view.unsettled == 0


def test_it_can_be_read_while_a_producer_writes(path):
    with Ledger(path) as ledger:
        entries = [entry(record) for record in RECORDS[:10]]
        intent = ledger.intend(entries, {0: 5, 1: 7})
        assert Ledger.read(path).unsettled == 1
        assert ledger.unsettled() == [intent]
        ledger.settle([intent], entries, {0: 9, 1: 13})
        view = Ledger.read(path)
        assert (view.unsettled, view.acknowledged, view.offsets) == (0, 10, {0: 9, 1: 13})


def test_it_opens_while_another_connection_holds_the_file(path):
    """A reader that finds what a killed producer was writing puts it in order first, and holds the file meanwhile."""
    Ledger(path).close()
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = Timer(0.2, other.execute, ["ROLLBACK"])
        release.start()
        Ledger(path).close()
        release.join()


def test_a_held_producer_waits_before_it_sends(path):
    def begin_a_batch() -> None:
        with Ledger(path) as ledger:
            ledger.intend([entry(RECORDS[0])], {0: 0})

    Ledger(path).close()
    with ThreadPoolExecutor() as pool:
        with Ledger.held(path):
            waiting = pool.submit(begin_a_batch)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
            assert Ledger.read(path).unsettled == 0
        waiting.result(timeout=10)
    assert Ledger.read(path).unsettled == 1


def test_offsets_only_grow(path):
    with Ledger(path) as ledger:
        ledger.settle([], [], {0: 9})
        ledger.settle([], [], {0: 4})
        assert ledger.view().offsets == {0: 9}


def test_a_second_producer_is_refused(path):
    with Ledger(path), pytest.raises(LedgerBusyError, match="another producer"):
        Ledger(path)
    Ledger(path).close()


def test_a_missing_ledger_is_said_to_be_missing(path):
    with pytest.raises(LedgerError, match="has not run yet"):
        Ledger.read(path)


def test_a_ledger_that_is_being_created_is_not_there_yet(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        with pytest.raises(LedgerError, match="has not run yet"):
            Ledger.read(path)


def test_the_same_simulation_is_refused_twice(path):
    with Ledger(path) as ledger:
        ledger.begin("seed=1")
        ledger.begin("seed=2")
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="another seed or start"):
        ledger.begin("seed=1")


def test_half_a_settlement_is_none(path):
    """Counts and intent change together or not at all."""
    with Ledger(path) as ledger:
        entries = [entry(record) for record in RECORDS[:10]]
        intent = ledger.intend(entries, {0: 0})
        with pytest.raises(sqlite3.IntegrityError):
            ledger.settle([intent], entries, {0: None})  # type: ignore[dict-item]
        assert Ledger.read(path).acknowledged == 0
        assert Ledger.read(path).unsettled == 1


def test_a_commit_survives_sigkill(path):
    """What the WAL mode with synchronous=NORMAL promises."""
    script = (
        "import os, signal, sys; from pathlib import Path; from producer.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[1])); ledger.settle([], [], {0: 42}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=False, env={**os.environ, "PYTHONPATH": "."}
    )
    assert killed.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert Ledger.read(path).offsets == {0: 42}


VERSION_1 = """
CREATE TABLE intents (id INTEGER PRIMARY KEY, offsets TEXT NOT NULL, entries BLOB NOT NULL);
CREATE TABLE events_by_minute (
  minute INTEGER NOT NULL, event_name TEXT NOT NULL, events INTEGER NOT NULL, revenue_cents INTEGER NOT NULL,
  refund_cents INTEGER NOT NULL, PRIMARY KEY (minute, event_name)
) WITHOUT ROWID;
INSERT INTO events_by_minute VALUES (60, 'purchase', 2, 500, 0), (60, 'refund', 1, 0, 200), (60, 'search', 3, 0, 0);
PRAGMA user_version = 1;
"""


def test_a_ledger_of_the_first_version_is_brought_up_to_date(path):
    """With what is in flight."""
    path.parent.mkdir()
    in_flight = [(b"1", "event", "refund", 120, 0, 7), (b"2", "event", "purchase", 120, 90, 0)]
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(VERSION_1)
        blob = zlib.compress(msgspec.msgpack.encode(in_flight))
        db.execute("INSERT INTO intents (offsets, entries) VALUES (?, ?)", ('{"0": 3}', blob))
    with pytest.raises(LedgerError, match="next start brings it up to date"):
        Ledger.read(path)
    with Ledger(path) as ledger:
        assert ledger.view().minutes == [(60, "purchase", 2, 500), (60, "refund", 1, 200), (60, "search", 3, 0)]
        ledger.settle_by([b"1", b"2"], {0: 5})
    assert Ledger.read(path).minutes[3:] == [(120, "purchase", 1, 90), (120, "refund", 1, 7)]
    Ledger(path).close()
    assert Ledger.read(path).by_name == {"purchase": (3, 590), "refund": (2, 207), "search": (3, 0)}
