"""The dashboards' files hold together: what one names, another defines."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

import contracts
from settings import DOMAINS, ROOT
from spark_jobs import rollup
from tests.dashboards import assets as files

SUPERSET = ROOT / "superset"
GRAINS_BELOW_A_DAY = {"PT1S", "PT1M", "PT1H"}  # of Superset's own for MySQL: each must be replaced
OUR_WORDS = {"step", "reason", "rule", "action", "since", "query", "kind", "topic", "address", "shopper", "price"}
OUR_WORDS |= {"latency", "pieces", "raw_events", "last_24h", "other_symbol"}
HTML = {"raw_events", "last_24h"}
"""Of these: links and pictures."""
"""Columns of text that no sender writes."""
MOST_OF_OURS = 40
"""Values that one of them has at most."""
BY_THE_CLOCK = {"active_shoppers", "latest_minutes"}
"""Charts of a number of minutes, whatever the time range. So is all that has no main time column."""


class Assets:
    """What Superset's import gets of one domain, by kind and file name."""

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.files = files.read(domain)
        self.contents = {path: yaml.safe_load(text) for path, text in files.contents(self.files).items()}
        self.databases = self._kind("databases")
        self.datasets = self._kind("datasets")
        self.charts = self._kind("charts")
        self.dashboards = self._kind("dashboards")

    def _kind(self, kind: str) -> dict[str, dict[str, Any]]:
        return {Path(path).stem: asset for path, asset in self.contents.items() if path.startswith(f"{kind}/")}

    def dataset_of(self, chart: dict[str, Any]) -> dict[str, Any]:
        return next(dataset for dataset in self.datasets.values() if dataset["uuid"] == chart["dataset_uuid"])

    def chart_of(self, uuid: str) -> dict[str, Any]:
        return next(chart for chart in self.charts.values() if chart["uuid"] == uuid)


@pytest.fixture(params=DOMAINS)
def assets(request: pytest.FixtureRequest) -> Assets:
    return Assets(request.param)


def placed_charts(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """`meta` of each chart in the layout."""
    return [
        part["meta"] for part in dashboard["position"].values() if isinstance(part, dict) and part["type"] == "CHART"
    ]


def columns(dataset: dict[str, Any]) -> set[str]:
    return {column["column_name"] for column in dataset["columns"]}


def metrics(dataset: dict[str, Any]) -> set[str]:
    return {metric["metric_name"] for metric in dataset["metrics"]}


def file_name(title: str) -> str:
    return re.sub(r"\W+", "_", title.lower()).strip("_")


def test_what_every_domain_has_needs_nothing_of_one() -> None:
    """A domain may be without dashboards of its own."""
    assert files.contents(files.read("of_no_folder"))


def test_uuids_are_unique_and_always_the_same(assets: Assets) -> None:
    uuids = [asset["uuid"] for asset in assets.contents.values() if "uuid" in asset]
    assert len(uuids) == len(set(uuids)) == len(assets.contents) - 1  # all but the bundle's own description
    assert assets.contents == Assets(assets.domain).contents
    assert all(UUID(uuid).version == files.IDS_VERSION for uuid in uuids)


def test_charts_are_named_like_their_files(assets: Assets) -> None:
    assert {name: file_name(asset["slice_name"]) for name, asset in assets.charts.items()} == {
        n: n for n in assets.charts
    }


def test_no_address_and_no_credentials_in_the_database(assets: Assets) -> None:
    for database in assets.databases.values():
        assert re.fullmatch(r"mysql\+pymysql:///\w+", database["sqlalchemy_uri"])
        assert database["allow_dml"] is False
        assert not {"password", "encrypted_extra", "masked_encrypted_extra"} & set(database)


def test_datasets_are_of_the_database(assets: Assets) -> None:
    database = assets.databases[assets.domain]
    for name, dataset in assets.datasets.items():
        assert dataset["database_uuid"] == database["uuid"]
        assert dataset["schema"] == assets.domain
        assert dataset["table_name"] == name
        assert dataset.get("main_dttm_col") in {None, *columns(dataset)}
        for placeholder in (files.PERIODS, files.TOLD_APART):
            assert placeholder not in dataset.get("sql", "")


def test_minutes_and_hours_of_a_dataset_are_what_becomes_hours(assets: Assets) -> None:
    become = {
        (hours.of, table.expires_by, hours.name) for table in rollup.tables(assets.domain) for hours in table.hours
    }
    for name, dataset in assets.datasets.items():
        named = re.findall(r"with_hours\('(\w+)', '(\w+)', '(\w+)'", dataset.get("sql", ""))
        assert set(named) <= become, f"datasets/{name}.yaml"


def test_columns_and_metrics_say_what_superset_knows(assets: Assets) -> None:
    """A comma in an expression that is not quoted would begin another key."""
    of_column = {"column_name", "verbose_name", "type", "is_dttm", "groupby", "expression", "description"}
    of_metric = {"metric_name", "verbose_name", "expression", "d3format", "currency", "description"}
    for name, dataset in assets.datasets.items():
        assert set().union(*dataset["columns"]) <= of_column, name
        assert set().union(*dataset["metrics"]) <= of_metric, name


def test_charts_use_what_their_dataset_has(assets: Assets) -> None:
    for name, chart in assets.charts.items():
        dataset, params = assets.dataset_of(chart), chart["params"]
        conditions = [*params.get("adhoc_filters", []), *params.get("adhoc_filters_b", [])]
        filtered = {part["subject"] for part in conditions if part["expressionType"] == "SIMPLE"}
        measured = {*params.get("metrics", []), *params.get("metrics_b", [])}
        measured |= {params[key] for key in ("metric", "secondary_metric", "timeseries_limit_metric") if key in params}
        assert filtered | files.split_by(params) <= columns(dataset), name
        assert measured, name
        assert measured <= metrics(dataset), name


def test_charts_over_time_are_as_fine_as_the_range_lets_them(assets: Assets) -> None:
    """By a column of the dataset they would have a point a minute, however many these are."""
    for name, chart in assets.charts.items():
        dataset, x_axis = assets.files.datasets[assets.files.charts[name]["dataset"]], chart["params"].get("x_axis")
        times = {column["column_name"] for column in dataset["columns"] if column.get("is_dttm")} - files.TIMES.keys()
        if name not in BY_THE_CLOCK and "main_dttm_col" in dataset:
            assert x_axis not in times - {"period"}, name  # a period is a point
            assert x_axis in files.TIMES or "time_grain_sqla" not in chart["params"], name


def test_no_row_of_a_chart_over_time_is_left_out(assets: Assets) -> None:
    """Superset would leave out the smallest, without a word."""
    for name, chart in assets.charts.items():
        params = chart["params"]
        if params.get("x_axis") in files.TIMES and params.get("groupby"):
            assert "limit" in params or set(params["groupby"]) <= OUR_WORDS, name
            series = params.get("limit", MOST_OF_OURS) + 1  # and what is beyond the limit
            assert series * (files.grain.POINTS + 1) < params["row_limit"], name


def test_everything_has_a_description(assets: Assets) -> None:
    for name, chart in assets.charts.items():
        assert len(chart["description"]) > 20, name
    for name, dataset in assets.datasets.items():
        assert len(dataset["description"]) > 20, name


def test_nothing_that_senders_write_is_taken_for_html(assets: Assets) -> None:
    """A table that renders HTML, for its links, has no text that may be anything."""
    listed = {d.name for d in contracts.load(assets.domain).dimensions if d.field.allowed or d.field.pattern}
    for name, chart in assets.charts.items():
        if chart["params"]["allow_render_html"]:
            dataset = assets.dataset_of(chart)
            harmless = listed | HTML | {c["column_name"] for c in dataset["columns"] if c.get("is_dttm")}
            assert set(chart["params"]["groupby"]) <= harmless, name


def test_text_that_senders_write_is_shown_without_markup(assets: Assets) -> None:
    contract = contracts.load(assets.domain)
    dimensions = {dimension.name: dimension.field for dimension in contract.dimensions}
    fields = {field.name: field for field in contract.fields} | dimensions
    listed = {name for name, field in fields.items() if field.allowed or field.pattern}
    for name, dataset in assets.files.datasets.items():
        text = {column["column_name"]: column for column in dataset["columns"] if column["type"] in {"VARCHAR", "TEXT"}}
        assert {of for of, column in text.items() if not column.get("free_text")} <= listed | OUR_WORDS, name


def test_each_dataset_and_each_chart_is_used(assets: Assets) -> None:
    placed = {meta["uuid"] for dashboard in assets.dashboards.values() for meta in placed_charts(dashboard)}
    assert {chart["uuid"] for chart in assets.charts.values()} == placed
    offered = {assets.files.filters[name]["dataset"] for d in assets.files.dashboards.values() for name in d["filters"]}
    used = {chart["dataset_uuid"] for chart in assets.charts.values()} | {assets.datasets[n]["uuid"] for n in offered}
    assert used == {dataset["uuid"] for dataset in assets.datasets.values()}


def test_layout_is_a_tree_of_full_rows(assets: Assets) -> None:
    for dashboard in assets.dashboards.values():
        position = dashboard["position"]
        parts = {name: part for name, part in position.items() if isinstance(part, dict)}
        for name, part in parts.items():
            assert part["id"] == name
            for child in part.get("children", []):
                assert parts[child]["parents"] == [*part.get("parents", []), name]
            if part["type"] == "ROW":
                assert sum(parts[child]["meta"]["width"] for child in part["children"]) == files.WIDTH, name
                assert len({parts[child]["meta"]["height"] for child in part["children"]}) == 1, name
        for meta in placed_charts(dashboard):
            assert meta["sliceName"] == assets.chart_of(meta["uuid"])["slice_name"]
        numbers = [meta["chartId"] for meta in placed_charts(dashboard)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_each_dashboard_leads_to_the_others(assets: Assets) -> None:
    for slug, dashboard in assets.dashboards.items():
        parts = [part for part in dashboard["position"].values() if isinstance(part, dict)]
        lines = [part["meta"]["code"] for part in parts if part["type"] == "MARKDOWN"]
        assert len(lines) == len(assets.files.dashboards[slug].get("tabs", [slug]))
        for line in lines:
            assert set(re.findall(r"/dashboard/([\w-]+)/", line)) == set(assets.dashboards) - {slug}


def test_each_dashboard_leads_to_those_of_other_domains_as_well() -> None:
    every = files.of_each(DOMAINS)
    slugs = {slug for each in every for slug in each.dashboards}
    for each in every:
        for slug in each.dashboards:
            assert set(re.findall(r"/dashboard/([\w-]+)/", files.links(each, slug))) == slugs - {slug}


def test_filters_reach_just_the_charts_that_have_their_column(assets: Assets) -> None:
    for dashboard in assets.dashboards.values():
        for native_filter in dashboard["metadata"]["native_filter_configuration"]:
            excluded = set(native_filter["scope"]["excluded"])
            for meta in placed_charts(dashboard):
                chart = assets.chart_of(meta["uuid"])
                assert (meta["chartId"] not in excluded) == acts_on(native_filter, chart, assets), (
                    native_filter["name"],
                    meta["sliceName"],
                )


def acts_on(native_filter: dict[str, Any], chart: dict[str, Any], assets: Assets) -> bool:
    if native_filter["filterType"] == "filter_time":
        return any(part.get("operator") == "TEMPORAL_RANGE" for part in chart["params"].get("adhoc_filters", []))
    column = native_filter["targets"][0]["column"]["name"]
    about_all = native_filter["controlValues"]["enableEmptyFilter"] and column in files.split_by(chart["params"])
    return column in columns(assets.dataset_of(chart)) and not about_all


def test_filters_take_their_values_from_a_column_that_is_there(assets: Assets) -> None:
    for dashboard in assets.dashboards.values():
        configured = dashboard["metadata"]["native_filter_configuration"]
        for native_filter in configured:
            assert set(native_filter["cascadeParentIds"]) <= {other["id"] for other in configured}
            for target in filter(None, native_filter["targets"]):
                dataset = next(d for d in assets.datasets.values() if d["uuid"] == target["datasetUuid"])
                assert target["column"]["name"] in columns(dataset)


def test_of_a_filter_with_a_default_one_value_is_chosen(assets: Assets) -> None:
    described = {f"NATIVE_FILTER-{name}": each for name, each in assets.files.filters.items() if "default" in each}
    for dashboard in assets.dashboards.values():
        for native_filter in dashboard["metadata"]["native_filter_configuration"]:
            controls, chosen = native_filter.get("controlValues", {}), native_filter["defaultDataMask"]
            if (each := described.get(native_filter["id"])) is None:
                assert not controls["enableEmptyFilter"]
                continue
            assert controls["enableEmptyFilter"]
            assert not controls["multiSelect"]
            assert chosen["filterState"]["value"] == [each["default"]]
            assert [part["val"] for part in chosen["extraFormData"]["filters"]] == [[each["default"]]]
            assert controls.get("sortMetric") in {None, *metrics(assets.datasets[each["dataset"]])}


def test_a_click_filters_just_the_charts_that_have_what_was_clicked(assets: Assets) -> None:
    for dashboard in assets.dashboards.values():
        placed = {meta["chartId"]: assets.chart_of(meta["uuid"]) for meta in placed_charts(dashboard)}
        for number, chart in placed.items():
            scope = dashboard["metadata"]["chart_configuration"][str(number)]["crossFilters"]["scope"]
            split = files.split_by(chart["params"])
            for other, filtered in placed.items():
                acts = other != number and split <= columns(assets.dataset_of(filtered))
                assert (other not in scope["excluded"]) == acts, (chart["slice_name"], filtered["slice_name"])


def test_charts_of_users_are_kept_at_the_end(assets: Assets) -> None:
    for dashboard in assets.dashboards.values():
        position = dashboard["position"]
        guests = {100 + n: {"slice_name": f"Mine {n}", "uuid": str(uuid4())} for n in range(4)}
        kept = files.with_guests(position, guests)
        assert {name: part for name, part in kept.items() if "guest" not in name}.keys() == position.keys()
        added = [part for name, part in kept.items() if name.startswith("CHART-guest")]
        assert [part["meta"]["chartId"] for part in added] == list(guests)
        for part in added:
            row = kept[part["parents"][-1]]
            assert part["id"] in row["children"]
            assert row["id"] in kept[row["parents"][-1]]["children"]
        assert files.with_guests(position, {}) == position


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("charts", "revenue", {"dataset": "nothing"}),
        ("dashboards", "products", {"rows": [{"height": 9, "charts": {"nothing": 12}}]}),
    ],
)
def test_what_is_missing_is_named(kind: str, name: str, change: dict[str, Any]) -> None:
    broken = files.read("ecommerce")
    getattr(broken, kind)[name] |= change
    with pytest.raises(files.AssetError, match=f"{kind}/{name}.yaml: .* nothing"):
        files.contents(broken)


def config_values() -> Iterator[tuple[str, Any]]:
    """Names and values of superset_config.py that are plain literals; it can be imported with Superset only."""
    for statement in ast.parse((SUPERSET / "superset_config.py").read_text()).body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            try:
                yield statement.targets[0].id, ast.literal_eval(statement.value)
            except ValueError:
                continue


def test_time_grains_below_a_day_survive_supersets_sql_parser() -> None:
    """It turns DATE_ADD(DATE(x), ...) into DATE_ADD(x, ...), and DIV into a division that rounds."""
    expressions = dict(config_values())["TIME_GRAIN_ADDON_EXPRESSIONS"]["mysql"]
    assert set(expressions) >= GRAINS_BELOW_A_DAY
    for grain, expression in expressions.items():
        assert not re.search(r"\bDATE\(|\bDIV\b", expression), grain
        assert expression.startswith("DATE_ADD(CAST({col} AS DATE), INTERVAL "), grain


def test_nothing_is_divided_by_div(assets: Assets) -> None:
    """Superset's SQL parser turns it into a division that rounds."""
    assert not [path for path, content in assets.contents.items() if re.search(r"\bDIV\b", json.dumps(content))]


def test_palette_is_there_and_used(assets: Assets) -> None:
    schemes = {scheme["id"] for scheme in dict(config_values())["EXTRA_CATEGORICAL_COLOR_SCHEMES"]}
    used = {chart["params"].get("color_scheme") for chart in assets.charts.values()} - {None}
    used |= {dashboard["metadata"]["color_scheme"] for dashboard in assets.dashboards.values()}
    assert used == schemes
