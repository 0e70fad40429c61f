"""From a table that is there to the one that is declared: by what adds, never by what loses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stores.migration import CassandraTable, SchemaError, cassandra_statements, mysql_statement

LIVE = """CREATE TABLE `sessions` (
  `id` binary(16) NOT NULL,
  `minute` datetime NOT NULL COMMENT 'of occurred_at',
  `events` int NOT NULL,
  `slot` int GENERATED ALWAYS AS ((to_seconds(`minute`) DIV 300)) VIRTUAL COMMENT 'five minutes, say',
  PRIMARY KEY (`id`),
  KEY `by_slot` (`slot`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_bin"""


def changed(old: str, new: str) -> str | None:
    """The statement for a declaration in which `old` has become `new`."""
    assert old in LIVE
    return mysql_statement("shop.sessions", LIVE, LIVE.replace(old, new, 1))


def test_what_is_as_declared_stays() -> None:
    assert changed("ENGINE=InnoDB", "ENGINE=InnoDB STATS_PERSISTENT=1") is None


def test_a_column_is_the_same_however_it_came() -> None:
    live, declared = (
        LIVE.replace("`events` int", f"`name` varchar(8){charset} COLLATE utf8mb4_0900_bin")
        for charset in (" CHARACTER SET utf8mb4", "")
    )
    assert mysql_statement("shop.sessions", live, declared) is None


@pytest.mark.parametrize(
    ("old", "new", "clauses"),
    [
        ("  `events`", "  `views` int NOT NULL,\n  `events`", "ADD COLUMN `views` int NOT NULL AFTER `minute`"),
        ("  `id` b", "  `shop` int NOT NULL,\n  `id` b", "ADD COLUMN `shop` int NOT NULL FIRST"),
        ("`events` int", "`events` bigint", "MODIFY COLUMN `events` bigint NOT NULL"),
        (" datetime NOT NULL COMMENT 'of occurred_at'", " datetime(3)", "MODIFY COLUMN `minute` datetime(3)"),
        ("'of occurred_at'", "'UTC'", "MODIFY COLUMN `minute` datetime NOT NULL COMMENT 'UTC'"),
        ("(`slot`)", "(`slot`,`events`)", "DROP KEY `by_slot`, ADD KEY `by_slot` (`slot`,`events`)"),
        (
            "  `slot` int GENERATED ALWAYS AS ((to_seconds(`minute`) DIV 300)) VIRTUAL COMMENT 'five minutes, say',\n",
            "",
            "DROP COLUMN `slot`",
        ),
        (
            "`events` int NOT NULL",
            "`records` bigint NOT NULL COMMENT 'sent (was `events`)'",
            "CHANGE COLUMN `events` `records` bigint NOT NULL COMMENT 'sent (was `events`)'",
        ),
        ("KEY `by_slot`", "KEY `by_another`", "DROP KEY `by_slot`, ADD KEY `by_another` (`slot`)"),
    ],
)  # fmt: skip
def test_what_adds_is_one_statement(old: str, new: str, clauses: str) -> None:
    assert changed(old, new) == f"ALTER TABLE shop.sessions {clauses}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  `events` int NOT NULL,\n", "", "column events is not in the schema.*DROP COLUMN events"),
        ("PRIMARY KEY (`id`)", "PRIMARY KEY (`id`,`minute`)", "primary key"),
        ("`events` int", "`events` smallint", "values could be lost"),
        ("`events` int", "`events` double", "values could be lost"),
        ("binary(16)", "binary(8)", "values could be lost"),
    ],
)
def test_what_could_lose_values_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        changed(old, new)


EVENTS = CassandraTable(
    key=(("partition_key", "minute", "timestamp"), ("clustering", "event_id", "uuid")),
    columns={"payload": "text"},
    options={"default_time_to_live": 60, "gc_grace_seconds": 10, "compaction": {"class": "Unified"}},
)


def test_cassandra_gets_columns_and_options() -> None:
    declared = replace(
        EVENTS,
        columns={"payload": "text", "size": "int", "kind": "text"},
        options={"default_time_to_live": 90, "gc_grace_seconds": 10, "compaction": {"class": "Other"}},
    )
    assert cassandra_statements("shop.events", EVENTS, declared) == [
        "ALTER TABLE shop.events ADD (size int, kind text)",
        "ALTER TABLE shop.events WITH default_time_to_live = 90 AND compaction = {'class': 'Other'}",
    ]
    assert cassandra_statements("shop.events", declared, declared) == []


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (replace(EVENTS, key=EVENTS.key[:1]), "primary key"),
        (replace(EVENTS, columns={"payload": "blob"}), "payload is text, and can't become blob"),
    ],
)
def test_cassandra_refuses_another_key_or_type(declared: CassandraTable, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        cassandra_statements("shop.events", EVENTS, declared)
