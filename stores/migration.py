"""How a table that has data becomes what the schema files say by now: the differences, as statements.

The files in mysql/ and cassandra/ say what a table is; there are no numbered scripts that lead there. A server is
asked to make the declared tables once more, empty, beside the real ones; compared are its own words for the two, so
that nothing here has to understand SQL. What takes nothing away is carried out: a new column, a wider type, an index,
an option. Everything else is refused. Each table is changed by one statement, so that whatever was killed in between,
the comparison finds what is left to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
COLUMN_TYPE = re.compile(r"`\w+` (\w+)(?:\((\d+)\))?")
RENAMED = re.compile(r"was `(\w+)`")
"""In a column's comment: its name before."""
GENERATED = " GENERATED ALWAYS AS "
"""Of a column that MySQL works out from others: nothing is lost with it."""
OPTIONS = ("default_time_to_live", "gc_grace_seconds", "compaction")


class SchemaError(ValueError):
    """A table can't be made what the schema says without losing data; the message names table and column."""


def definitions(create: str) -> dict[str, str]:
    """Name -> definition of each column and key, in order, from MySQL's SHOW CREATE TABLE."""
    found = {}
    for line in create.splitlines()[1:]:
        # A collation names its character set; the server says it once more for a column that came by ALTER TABLE.
        definition = re.sub(r" CHARACTER SET \w+(?= COLLATE )", "", line.strip().removesuffix(","))
        if definition.startswith(")"):
            break
        column = definition.startswith("`")
        found[definition.split("`")[1] if column else definition.split(" (")[0]] = definition
    return found


def _is_key(name: str) -> bool:
    return "KEY" in name.split()


def _widens(old: str, new: str) -> bool:
    """Whether every value of a column's definition is one of another's, unchanged."""
    (old_type, old_size), (new_type, new_size) = (COLUMN_TYPE.match(text).groups() for text in (old, new))
    if old_type == new_type:
        return int(new_size or 0) >= int(old_size or 0)
    pair = old_type, new_type
    return set(pair) <= set(INTEGERS) and INTEGERS.index(old_type) < INTEGERS.index(new_type)


def mysql_statement(table: str, live: str, declared: str) -> str | None:
    """The ALTER TABLE that makes a table what is declared, both as SHOW CREATE TABLE has them; None where it is.

    A new column has MySQL's implicit default (0, '') in the rows that are there. Raises SchemaError.
    """
    clauses = list(_clauses(table, definitions(live), definitions(declared)))
    return f"ALTER TABLE {table} {', '.join(clauses)}" if clauses else None


def _clauses(table: str, live: Mapping[str, str], declared: Mapping[str, str]) -> Iterator[str]:
    if live["PRIMARY KEY"] != declared["PRIMARY KEY"]:
        raise SchemaError(f"{table}: its primary key is {live['PRIMARY KEY']}, and can't become another one")
    before = {name: was[1] for name, text in declared.items() if name not in live and (was := RENAMED.search(text))}
    for name in sorted(
        live.keys() - declared.keys() - set(before.values()), key=lambda name: (not _is_key(name), name)
    ):
        if not _is_key(name) and GENERATED not in live[name]:
            raise SchemaError(
                f"{table}: the column {name} is not in the schema any more; if nothing needs it, as root: "
                f"ALTER TABLE {table} DROP COLUMN {name}"
            )
        yield f"DROP {name}" if _is_key(name) else f"DROP COLUMN `{name}`"
    place = "FIRST"
    for name, definition in declared.items():
        if _is_key(name):
            if name in live and live[name] != definition:
                yield f"DROP {name}"
            if live.get(name) != definition:
                yield f"ADD {definition}"
            continue
        if (was := before.get(name)) in live:
            yield f"CHANGE COLUMN `{was}` {definition}"
        elif name not in live:
            yield f"ADD COLUMN {definition} {place}"
        elif live[name] != definition:
            if not _widens(live[name], definition):
                raise SchemaError(f"{table}: {live[name]} can't become {definition}, values could be lost")
            yield f"MODIFY COLUMN {definition}"
        place = f"AFTER `{name}`"


@dataclass(frozen=True)
class CassandraTable:
    """What Cassandra's system_schema says of a table: its key and other columns, name -> type; and its options."""

    key: tuple[tuple[str, str, str], ...]
    columns: Mapping[str, str]
    options: Mapping[str, object]


def cassandra_statements(table: str, live: CassandraTable, declared: CassandraTable) -> list[str]:
    """The statements that make a table what is declared; none where it is. Raises SchemaError."""
    if live.key != declared.key:
        raise SchemaError(f"{table}: its primary key is {live.key}, and can't become {declared.key}")
    for name in live.columns.keys() & declared.columns.keys():
        if live.columns[name] != declared.columns[name]:
            raise SchemaError(
                f"{table}: the column {name} is {live.columns[name]}, and can't become {declared.columns[name]}"
            )
    new = [f"{name} {kind}" for name, kind in declared.columns.items() if name not in live.columns]
    options = [f"{name} = {declared.options[name]}" for name in OPTIONS if live.options[name] != declared.options[name]]
    return [
        *([f"ALTER TABLE {table} ADD ({', '.join(new)})"] if new else []),
        *([f"ALTER TABLE {table} WITH {' AND '.join(options)}"] if options else []),
    ]
