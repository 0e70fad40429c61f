"""What Superset's files name is in MySQL: tables and views, columns and their types, and all SQL is understood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mysql.connector import Error, FieldType

from local.native.stack import Stack
from settings import DOMAINS, ROOT
from tests.dashboards import alerts, assets, rendered, selected
from tests.integration.database import database_of

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(tzinfo=None)
RANGES = {"any time": (None, None), "an hour": ((NOW - timedelta(hours=1)).isoformat(), NOW.isoformat())}
"""One that has hours beside minutes, and one that has minutes alone."""
FILES = {domain: assets.read(domain) for domain in DOMAINS}
NUMBERS = ("TINY", "SHORT", "LONG", "LONGLONG", "FLOAT", "DOUBLE", "NEWDECIMAL")
TEXTS = ("STRING", "VAR_STRING", "BLOB", "MEDIUM_BLOB", "LONG_BLOB")
TYPES = {
    "BIGINT": NUMBERS,
    "DOUBLE": NUMBERS,
    "VARCHAR": TEXTS,
    "TEXT": TEXTS,
    "BINARY": TEXTS,
    "DATETIME": ("DATETIME", "TIMESTAMP"),
}
"""As a file calls it -> as MySQL's protocol does."""

over_any_range = pytest.mark.parametrize(("since", "until"), RANGES.values(), ids=RANGES)


@pytest.fixture(scope="module")
def cursors(stack: Stack) -> Iterator[dict[str, Any]]:
    """Domain -> a cursor in empty tables and views of it."""
    with ExitStack() as made:
        yield {
            domain: made.enter_context(database_of(stack.settings, domain, f"{domain}__datasets")) for domain in DOMAINS
        }


def each(kind: str) -> pytest.MarkDecorator:
    """Parametrises a test over the datasets or charts of every domain."""
    cases = [(domain, name) for domain in DOMAINS for name in getattr(FILES[domain], kind)]
    return pytest.mark.parametrize(("domain", "name"), cases, ids=map(": ".join, cases))


def file(domain: str, kind: str, name: str) -> str:
    places = (assets.FOLDER / folder / kind / f"{name}.yaml" for folder in (domain, assets.EVERY_DOMAIN))
    return str(next(path for path in places if path.exists()).relative_to(ROOT))


def refusal(cursor: Any, statement: str) -> str | None:
    """What MySQL says against a statement, None where it takes it."""
    try:
        cursor.execute(statement)
        cursor.fetchall()
    except Error as error:
        return error.msg
    return None


class Dataset:
    """One as Superset has it, to be asked over a time range."""

    def __init__(self, domain: str, name: str, since: str | None, until: str | None) -> None:
        self.made = assets.dataset(FILES[domain], name)
        self.since, self.until = since, until

    def sql(self, column: Mapping[str, Any]) -> str:
        """That of a column or metric."""
        return rendered(column.get("expression") or f"`{column['column_name']}`", self.since, self.until)

    def named(self, kind: str, names: Sequence[str]) -> dict[str, str]:
        """The SQL of some of its columns (`column`) or metrics (`metric`)."""
        there = {each[f"{kind}_name"]: self.sql(each) for each in self.made[f"{kind}s"]}
        return {name: there[name] for name in names}

    def asked(self, wanted: Mapping[str, str], rest: str = "") -> str:
        """The statement that asks for what has names, and for no row."""
        parts = ", ".join(f"{sql} AS `{name}`" for name, sql in wanted.items())
        return f"SELECT {parts} FROM {selected(self.made, self.since, self.until)} {rest} LIMIT 0"


@over_any_range
@each("datasets")
def test_a_dataset_has_its_columns(
    cursors: dict[str, Any], domain: str, name: str, since: str | None, until: str | None
) -> None:
    cursor, dataset = cursors[domain], Dataset(domain, name, since, until)
    types = {column["column_name"]: column["type"] for column in dataset.made["columns"]}
    refused = refusal(cursor, dataset.asked(dataset.named("column", list(types))))
    assert refused is None, file(domain, "datasets", name)
    found = {column: FieldType.get_info(kind) for column, kind, *_ in cursor.description}
    wrong = {column: (kind, found[column]) for column, kind in types.items() if found[column] not in TYPES[kind]}
    assert wrong == {}, file(domain, "datasets", name)
    times = {column["column_name"] for column in dataset.made["columns"] if column.get("is_dttm")}
    assert {types[column] for column in times} <= {"DATETIME"}, file(domain, "datasets", name)


@over_any_range
@each("datasets")
def test_mysql_understands_each_metric(
    cursors: dict[str, Any], domain: str, name: str, since: str | None, until: str | None
) -> None:
    dataset = Dataset(domain, name, since, until)
    by = ", ".join(f"`{each['column_name']}`" for each in dataset.made["columns"] if "expression" not in each)
    refused = {
        metric["metric_name"]: said
        for metric in dataset.made["metrics"]
        if (said := refusal(cursors[domain], dataset.asked({"figure": dataset.sql(metric)}, f"GROUP BY {by}")))
    }
    assert refused == {}, file(domain, "datasets", name)


@over_any_range
@each("charts")
def test_mysql_understands_each_chart(
    cursors: dict[str, Any], domain: str, name: str, since: str | None, until: str | None
) -> None:
    dataset = Dataset(domain, FILES[domain].charts[name]["dataset"], since, until)
    for columns, metrics, conditions in queries(assets.chart(FILES[domain], name)["params"]):
        split, measured = dataset.named("column", columns), dataset.named("metric", metrics)
        where, having = (
            [condition(dataset, part) for part in conditions if part["clause"] == clause] or ["TRUE"]
            for clause in ("WHERE", "HAVING")
        )
        grouped = f"GROUP BY {', '.join(split.values())}" if split else ""
        rest = f"WHERE {' AND '.join(where)} {grouped} HAVING {' AND '.join(having)}"
        refused = refusal(cursors[domain], dataset.asked(split | measured, rest))
        assert refused is None, file(domain, "charts", name)


def queries(params: Mapping[str, Any]) -> Iterator[tuple[list[str], list[str], list[dict[str, Any]]]]:
    """Columns, metrics and conditions of each query that Superset makes for a chart: a mixed one has two."""
    columns = names(params, "x_axis", "entity", "columns")
    metrics = names(params, "metric", "metrics", "secondary_metric", "timeseries_limit_metric")
    yield columns + names(params, "groupby"), metrics, params.get("adhoc_filters", [])
    if "metrics_b" in params:
        yield columns + names(params, "groupby_b"), names(params, "metrics_b"), params.get("adhoc_filters_b", [])


def names(params: Mapping[str, Any], *keys: str) -> list[str]:
    """What stands under these keys, as one name or a list of some, each once."""
    values = (params.get(key, []) for key in keys)
    return list(dict.fromkeys(name for value in values for name in ([value] if isinstance(value, str) else value)))


def condition(dataset: Dataset, stated: Mapping[str, Any]) -> str:
    """A condition in SQL; of one that is put together in Superset the column alone counts."""
    if stated["expressionType"] == "SQL":
        return f"({rendered(stated['sqlExpression'], dataset.since, dataset.until)})"
    [column] = dataset.named("column", [stated["subject"]]).values()
    return f"{column} IS NOT NULL"


@pytest.mark.parametrize(
    ("domain", "name", "sql"),
    [pytest.param(domain, *alert, id=f"{domain}: {alert[0]}") for domain in DOMAINS for alert in alerts(domain)],
)
def test_an_alert_asks_for_one_figure(cursors: dict[str, Any], domain: str, name: str, sql: str) -> None:
    cursor = cursors[domain]
    refused = refusal(cursor, f"SELECT * FROM ({sql}) AS figures LIMIT 0")
    assert refused is None, name
    assert len(cursor.description) == 1, name
