"""The dashboards' files hold together: what one names, another defines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings import ROOT

SUPERSET = ROOT / "superset"
DOMAINS = sorted(path for path in (SUPERSET / "dashboards").iterdir() if path.is_dir())
GRAINS_BELOW_A_DAY = {"PT1S", "PT1M", "PT1H"}  # of Superset's own for MySQL: each must be replaced


class Assets:
    """The files of one domain, by kind and file name."""

    def __init__(self, folder: Path) -> None:
        self.domain = folder.name
        self.databases = self._read(folder / "databases")
        self.datasets = self._read(folder / "datasets")
        self.charts = self._read(folder / "charts")
        self.dashboards = self._read(folder / "dashboards")

    @staticmethod
    def _read(folder: Path) -> dict[str, dict[str, Any]]:
        return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(folder.rglob("*.yaml"))}

    def everything(self) -> list[dict[str, Any]]:
        return [
            asset for kind in (self.databases, self.datasets, self.charts, self.dashboards) for asset in kind.values()
        ]

    def dataset_of(self, chart: dict[str, Any]) -> dict[str, Any]:
        return next(dataset for dataset in self.datasets.values() if dataset["uuid"] == chart["dataset_uuid"])

    def chart_of(self, uuid: str) -> dict[str, Any]:
        return next(chart for chart in self.charts.values() if chart["uuid"] == uuid)


@pytest.fixture(params=DOMAINS, ids=lambda folder: folder.name)
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
    return re.sub(r"\W+", "_", title.lower())


def test_uuids_are_unique(assets: Assets) -> None:
    uuids = [asset["uuid"] for asset in assets.everything()]
    assert len(uuids) == len(set(uuids))


def test_files_are_named_like_what_they_hold(assets: Assets) -> None:
    assert list(assets.databases) == [assets.domain]
    assert {name: asset["table_name"] for name, asset in assets.datasets.items()} == {n: n for n in assets.datasets}
    assert {name: file_name(asset["slice_name"]) for name, asset in assets.charts.items()} == {
        n: n for n in assets.charts
    }
    assert {name: asset["slug"] for name, asset in assets.dashboards.items()} == {n: n for n in assets.dashboards}


def test_no_address_and_no_credentials_in_the_database(assets: Assets) -> None:
    for database in assets.databases.values():
        assert re.fullmatch(r"mysql\+pymysql:///\w+", database["sqlalchemy_uri"])
        assert database["allow_dml"] is False
        assert not {"password", "encrypted_extra", "masked_encrypted_extra"} & set(database)


def test_datasets_are_of_the_database(assets: Assets) -> None:
    database = assets.databases[assets.domain]
    for dataset in assets.datasets.values():
        assert dataset["database_uuid"] == database["uuid"]
        assert dataset["schema"] == database["sqlalchemy_uri"].rpartition("/")[2]
        assert dataset.get("main_dttm_col") in {None, *columns(dataset)}


def test_charts_use_what_their_dataset_has(assets: Assets) -> None:
    for name, chart in assets.charts.items():
        dataset, params = assets.dataset_of(chart), chart["params"]
        filtered = {part["subject"] for part in params.get("adhoc_filters", []) if part["expressionType"] == "SIMPLE"}
        used = {*params.get("groupby", []), *filtered, *filter(None, [params.get("x_axis")])}
        measured = {
            *params.get("metrics", []),
            *filter(None, [params.get("metric"), params.get("timeseries_limit_metric")]),
        }
        assert used <= columns(dataset), name
        assert measured, name
        assert measured <= metrics(dataset), name


def test_charts_say_what_they_show(assets: Assets) -> None:
    for name, chart in assets.charts.items():
        assert len(chart["description"]) > 20, name


def test_each_dataset_is_used(assets: Assets) -> None:
    assert {chart["dataset_uuid"] for chart in assets.charts.values()} == {
        dataset["uuid"] for dataset in assets.datasets.values()
    }


def test_each_chart_is_on_a_dashboard(assets: Assets) -> None:
    placed = [meta for dashboard in assets.dashboards.values() for meta in placed_charts(dashboard)]
    assert sorted(meta["uuid"] for meta in placed) == sorted(chart["uuid"] for chart in assets.charts.values())
    for meta in placed:
        assert meta["sliceName"] == assets.chart_of(meta["uuid"])["slice_name"]


def test_layout_is_a_tree_of_full_rows(assets: Assets) -> None:
    for dashboard in assets.dashboards.values():
        position = dashboard["position"]
        parts = {name: part for name, part in position.items() if isinstance(part, dict)}
        for name, part in parts.items():
            assert part["id"] == name
            for child in part.get("children", []):
                assert parts[child]["parents"] == [*part.get("parents", []), name]
            if part["type"] == "ROW":
                assert sum(parts[child]["meta"]["width"] for child in part["children"]) == 12, name
                assert len({parts[child]["meta"]["height"] for child in part["children"]}) == 1, name
        numbers = [meta["chartId"] for meta in placed_charts(dashboard)]
        assert len(numbers) == len(set(numbers))


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
    return native_filter["targets"][0]["column"]["name"] in columns(assets.dataset_of(chart))


def test_filters_take_their_values_from_a_column_that_is_there(assets: Assets) -> None:
    for dashboard in assets.dashboards.values():
        configured = dashboard["metadata"]["native_filter_configuration"]
        for native_filter in configured:
            assert set(native_filter["cascadeParentIds"]) <= {other["id"] for other in configured}
            for target in filter(None, native_filter["targets"]):
                dataset = next(d for d in assets.datasets.values() if d["uuid"] == target["datasetUuid"])
                assert target["column"]["name"] in columns(dataset)


def test_periods_are_the_same_wherever_they_are_compared(assets: Assets) -> None:
    periods = {
        dataset["sql"].partition("SELECT periods.period")[0]
        for name, dataset in assets.datasets.items()
        if name.endswith("_by_period")
    }
    assert len(periods) <= 1


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


def test_palette_is_there_and_used(assets: Assets) -> None:
    schemes = {scheme["id"] for scheme in dict(config_values())["EXTRA_CATEGORICAL_COLOR_SCHEMES"]}
    used = {chart["params"].get("color_scheme") for chart in assets.charts.values()} - {None}
    used |= {dashboard["metadata"]["color_scheme"] for dashboard in assets.dashboards.values()}
    assert used == schemes
