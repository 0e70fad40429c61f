"""A domain's dashboards: from the files in `dashboards/` to what Superset's import takes.

The files say what is special about a dataset, a chart or a dashboard. What follows from them is worked out here: ids,
layout, which filter acts on which chart, which chart a click on another one filters.

    dashboards/<folder>/datasets/<table>.yaml     columns and metrics; a virtual one has `sql`; one whose rows become
                                                  hours has their table, `hours`, and may have another name, `recent`,
                                                  of the table or view with the rows that have not
    dashboards/<folder>/charts/<chart>.yaml       a Superset chart whose `dataset` is named
    dashboards/<folder>/dashboards/<slug>.yaml    title, filters, and rows of charts with their widths
    dashboards/<folder>/filters.yaml              the columns that one can filter by; of one with a `default` one value
                                                  is always chosen, and `sorted_by` is a metric that sorts them

`<folder>` is a domain, or `pipeline`, which every domain has. Pure functions of the files' contents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import grain
import yaml

FOLDER = Path(__file__).resolve().parent / "dashboards"
EVERY_DOMAIN = "pipeline"
IDS = UUID("5c1de9d6-6f0f-4b7c-9a86-6f3f3c3ad1b2")
"""The namespace of all ids: the same file has the same id everywhere, so that an import finds what it made before."""

IDS_VERSION = 5
"""The version of UUIDs made from names. Superset gives what users make random ones, of version 4."""

WIDTH = 12
"""Columns of a dashboard's grid."""
LINE_HEIGHT = 5
"""Of a line of text, in rows of the grid."""
REFRESH_S = 5
"""Superset waits so long after the last chart was answered: on two busy cores a page is anew every ten seconds."""
PALETTE = "okabe_ito"
LAST_HOUR = 'DATEADD(DATETIME("now"), -1, hour) : now'
"""Superset's own "Last hour" begins and ends at whole hours."""

ANY_CHART = {
    "color_scheme": PALETTE,
    "allow_render_html": False,  # tables would render what senders write
    "table_timestamp_format": "%Y-%m-%d %H:%M:%S",
}
TIMES = grain.STEP_COLUMNS
"""Datasets with charts over time get these columns, made of their main time column: steps grow with the range."""
COLUMN = re.compile(r"(?<![\w'])[a-z][a-z0-9_]*\b(?!['(])")
"""In an expression, where keywords and functions are written in capitals."""
MACRO = re.compile(r"\{\{.*?\}\}|'[^']*'", re.DOTALL)
"""What is no SQL in it, and texts."""
OVER_TIME = {
    "row_limit": 50_000,  # the most that Superset's own menu has
    "show_legend": True,
    "legendType": "plain",
    "legendOrientation": "top",
    "rich_tooltip": True,
    "tooltipTimeFormat": "%Y-%m-%d %H:%M",
    "truncate_metric": True,
}
TREND = {
    "show_trend_line": True,
    "start_y_axis_at_zero": True,
    "time_format": "%Y-%m-%d %H:%M",
    "color_picker": {"r": 0, "g": 114, "b": 178, "a": 1},
    "header_font_size": 0.3,
    "subheader_font_size": 0.125,
}
"""A tile with a line."""
IN_PART = "_in_part"
"""Ends the name of a metric that is the same once more, of steps that are not whole."""
PALE = ("#B5D5EA", "#F8E2B8")
"""Their colours, in the order of a chart's metrics: the palette's first ones with much white."""

BRACKET = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}"
AS_TEXT = f"IF({{0}} LIKE '%<%>%', REPLACE({{0}}, '<', '{BRACKET}'), {{0}})"
"""Superset takes text for HTML in tooltips and in the grids of drill-down: there are no tags without the bracket."""

PERIODS = "{periods}"
"""In a virtual dataset's SQL: stands for dashboards/periods.sql."""
TOLD_APART = "{told_apart}"
"""There too: stands for the columns by which its rows are told apart where a question names them (named.py)."""

Dict = dict[str, Any]


class AssetError(ValueError):
    """A file says something that can't be: the message names the file and what is wrong."""


@dataclass
class Files:
    """The files of a domain, by name (stem)."""

    domain: str
    datasets: dict[str, Dict] = field(default_factory=dict)
    charts: dict[str, Dict] = field(default_factory=dict)
    dashboards: dict[str, Dict] = field(default_factory=dict)
    filters: dict[str, Dict] = field(default_factory=dict)
    periods: str = ""
    css: str = ""
    neighbours: dict[str, str] = field(default_factory=dict)
    """Dashboards of the other domains on the stack: slug -> title."""

    def id(self, kind: str, name: str) -> str:
        """The UUID of the thing that a file describes."""
        return str(uuid5(IDS, f"{self.domain}/{kind}/{name}"))

    def columns(self, chart: str) -> set[str]:
        """The columns of a chart's dataset."""
        return {column["column_name"] for column in self.datasets[self.charts[chart]["dataset"]]["columns"]}


def slug(name: str, domain: str, first: bool) -> str:
    """Of a dashboard that every domain has. The first domain's has the plain name, whatever runs beside it."""
    return name if first else f"{name}-{domain}"


def of_each(domains: Sequence[str]) -> list[Files]:
    """The files of several domains that run on one stack; see `read`."""
    every = [read(domain, first=domain == domains[0]) for domain in domains]
    for files in every:
        others = (other.dashboards.items() for other in every if other is not files)
        files.neighbours = {slug: board["title"] for boards in others for slug, board in boards}
    return every


def read(domain: str, first: bool = True) -> Files:
    """The files of a domain and those that every domain has; raises AssetError where two have one name.

    The latter's dashboards have the domain's name in slug and title where it is not the `first` one.
    """
    files = Files(domain, periods=without_comments(FOLDER / "periods.sql"), css=(FOLDER / "look.css").read_text())
    for folder in (FOLDER / EVERY_DOMAIN, FOLDER / domain):
        for kind in ("datasets", "charts", "dashboards"):
            found: dict[str, Dict] = getattr(files, kind)
            for path in sorted((folder / kind).glob("*.yaml")):
                if path.stem in found:
                    raise AssetError(f"{path}: another folder has {kind} of that name")
                found[path.stem] = yaml.safe_load(path.read_text())
        filters = folder / "filters.yaml"
        if filters.exists():
            files.filters |= yaml.safe_load(filters.read_text())
        if folder.name == EVERY_DOMAIN and not first:
            files.dashboards = {
                slug(name, domain, first): {**board, "title": f"{board['title']}: {domain}"}
                for name, board in files.dashboards.items()
            }
    return files


def without_comments(path: Path) -> str:
    """A file of SQL without its comment lines: it is sent with every query."""
    return "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("--"))


def contents(files: Files) -> dict[str, str]:
    """Everything as Superset's import takes it: path in its bundle -> YAML, of which JSON is a part."""
    made = {
        "metadata": {"type": "assets"},
        f"databases/{files.domain}": database(files),
        **{f"datasets/{files.domain}/{name}": dataset(files, name) for name in files.datasets},
        **{f"charts/{name}": chart(files, name) for name in files.charts},
        **{f"dashboards/{slug}": dashboard(files, slug) for slug in files.dashboards},
    }
    return {f"{path}.yaml": json.dumps({**asset, "version": "1.0.0"}) for path, asset in made.items()}


def database(files: Files) -> Dict:
    """Without address and credentials: superset_config.py adds them for a database of this name."""
    return {
        "database_name": files.domain,
        "sqlalchemy_uri": f"mysql+pymysql:///{files.domain}",
        "expose_in_sqllab": True,
        "allow_dml": False,
        "allow_file_upload": False,
        "extra": {"allows_virtual_table_explore": True},
        "uuid": files.id("databases", files.domain),
    }


def column(described: Dict) -> Dict:
    """A column of a dataset; one with `free_text`, in which a sender may have written anything, without markup."""
    made = dict(described)
    if made.pop("free_text", False):
        made["expression"] = AS_TEXT.format(made.get("expression", made["column_name"]))
    return made


def macro(name: str, column: str, at_least: int) -> str:
    """A call of one of grain.py's functions, in SQL."""
    return f"{{{{ {name}('{column}', from_dttm, to_dttm, {at_least}) }}}}"


def time_columns(described: Dict, charts: list[Dict]) -> Iterator[Dict]:
    """The columns by which charts draw a dataset over time, but for those that it has itself.

    `is_dttm` is for columns to which Superset's own grains and time ranges apply.
    """
    there_are = {each["column_name"] for each in described["columns"]}
    for name in sorted({chart["params"].get("x_axis") for chart in charts} & (TIMES.keys() - there_are)):
        expression = macro("step_start", described["main_dttm_col"], TIMES[name])
        made = {"column_name": name, "verbose_name": "Time", "type": "DATETIME", "is_dttm": False}
        yield {**made, "expression": expression}


def metrics_in_part(described: Dict, charts: list[Dict]) -> Iterator[Dict]:
    """The metrics of a dataset that charts show once more, of steps that are not whole."""
    names = {name for chart in charts if shows_parts(chart) for name in chart["params"]["metrics"]}
    for metric in described["metrics"]:
        if (name := metric["metric_name"]) in names:
            yield {**metric, "metric_name": name + IN_PART, "verbose_name": f"{metric['verbose_name']}, in part"}


def dataset(files: Files, name: str) -> Dict:
    described = files.datasets[name]
    charts = [chart for chart in files.charts.values() if chart["dataset"] == name]
    made = {
        **described,
        "columns": [column(each) for each in [*described["columns"], *time_columns(described, charts)]],
        "metrics": [*described["metrics"], *metrics_in_part(described, charts)],
        "table_name": name,
        "schema": files.domain,
        "uuid": files.id("datasets", name),
        "database_uuid": files.id("databases", files.domain),
    }
    if hours := made.pop("hours", None):
        recent = made.pop("recent", name)
        made["sql"] = rows_of_range(recent, hours, described)
    elif "sql" in made:
        made["sql"] = made["sql"].replace(PERIODS, files.periods).replace(TOLD_APART, made.pop("told_apart", ""))
    return made


def rows_of_range(recent: str, hours: str, described: Dict) -> str:
    """SQL for the rows of a dataset whose table or view has a table of hours, with the columns that it uses."""
    time, plain = described["main_dttm_col"], [c for c in described["columns"] if "expression" not in c]
    used = [c["column_name"] for c in plain]
    for each in [*described["columns"], *described["metrics"]]:
        used += COLUMN.findall(MACRO.sub("", each.get("expression", "")))
    columns = ", ".join(name for name in dict.fromkeys(used) if name != time)
    return f"{{{{ with_hours('{recent}', '{time}', '{hours}', from_dttm, to_dttm, '{columns}', columns) }}}}"


def chart(files: Files, name: str) -> Dict:
    """The dashboard's time range acts on every chart whose dataset has a main time column."""
    described = dict(files.charts[name])
    source = described.pop("dataset")
    if source not in files.datasets:
        raise AssetError(f"charts/{name}.yaml: there is no dataset {source}")
    time = files.datasets[source].get("main_dttm_col")
    if described["params"].get("x_axis") in TIMES:
        described = over_time(described, time)
    params = ANY_CHART | described["params"]
    if time:
        for suffix in ("", "_b") if params.get("metrics_b") else ("",):
            in_range = {"subject": time, "operator": "TEMPORAL_RANGE", "comparator": "No filter"}
            simple = {"clause": "WHERE", "expressionType": "SIMPLE", **in_range}
            params[f"adhoc_filters{suffix}"] = [simple, *params.get(f"adhoc_filters{suffix}", [])]
    return {
        **described,
        "params": params,
        "uuid": files.id("charts", name),
        "dataset_uuid": files.id("datasets", source),
    }


def shows_parts(described: Dict) -> bool:
    """Whether a chart shows steps that are not whole apart from the others: a mixed chart over time does."""
    return described["viz_type"] == "mixed_timeseries" and described["params"]["x_axis"] in TIMES


def over_time(described: Dict, time: str) -> Dict:
    """A chart with what it needs to be drawn over time, and with a description that says how it is.

    Steps that are not whole are a mixed chart's second query: a total a step, pale. With `whole_steps` a chart is
    without them.
    """
    described = dict(described)
    only_whole = described.pop("whole_steps", False)
    params = (TREND if described["viz_type"] == "big_number" else OVER_TIME) | described["params"]
    at_least = TIMES[params["x_axis"]]
    whole = macro("is_whole", time, at_least)
    minutes = "a minute" if at_least == grain.MINUTE else f"{at_least // grain.MINUTE} minutes"
    steps = f"In steps of {minutes}, or longer ones where the time range has more than {grain.POINTS}. Times in UTC."
    said = [described["description"], steps]
    if only_whole or shows_parts(described):
        params["adhoc_filters"] = with_condition(described["params"], whole)
    if only_whole:
        said.append("Steps that are not over, or not wholly in the range, are left out.")
    if shows_parts(described):
        said.append("What is pale is of a step that is not over, or not wholly in the range.")
        params["adhoc_filters_b"] = with_condition(described["params"], f"NOT ({whole})")
        params["metrics_b"] = [metric + IN_PART for metric in params["metrics"]]
        params["seriesTypeB"] = "bar" if params["seriesType"] == "bar" else "scatter"
        params["row_limit_b"], params["truncate_metric_b"] = params["row_limit"], True
    if "limit" in params:
        said.append(f"Beyond the {params['limit']} largest, all are one: Others.")
        params["group_others_when_limit_reached"] = True
    return {**described, "description": " ".join(said), "params": params}


def with_condition(params: Dict, sql: str) -> list[Dict]:
    """A chart's filters, and one more."""
    return [
        *params.get("adhoc_filters", []),
        {"clause": "WHERE", "expressionType": "SQL", "sqlExpression": sql},
    ]


def dashboard(files: Files, slug: str) -> Dict:
    """Charts are numbered within it, from 1 in the order of the rows: filters refer to these numbers."""
    described = files.dashboards[slug]
    names = charts_of(described)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    if unknown := [name for name in names if name not in files.charts]:
        raise AssetError(f"dashboards/{slug}.yaml: there are no charts {', '.join(unknown)}")
    return {
        "dashboard_title": described["title"],
        "description": described["description"],
        "slug": slug,
        "published": True,
        "css": files.css,
        "uuid": files.id("dashboards", slug),
        "position": position(files, described, numbers, links(files, slug)),
        "metadata": {
            "color_scheme": PALETTE,
            "label_colors": described.get("label_colors", {}) | pale(files, names),
            "refresh_frequency": REFRESH_S,
            "stagger_refresh": False,
            "timed_refresh_immune_slices": [],
            "cross_filters_enabled": True,
            "chart_configuration": {
                str(number): cross_filter(files, name, numbers) for name, number in numbers.items()
            },
            "filter_bar_orientation": "HORIZONTAL",
            "native_filter_configuration": filters(files, described, numbers),
        },
    }


def pale(files: Files, names: list[str]) -> dict[str, str]:
    """The colours of what charts show of steps that are not whole, by the names of its series."""
    charts = [files.charts[name] for name in names if shows_parts(files.charts[name])]
    return {
        metric + IN_PART: colour
        for chart in charts
        for metric, colour in zip(chart["params"]["metrics"], PALE, strict=False)
    }


def rows_of(described: Mapping[str, Any]) -> Iterator[Dict]:
    """The rows of a dashboard, of all its tabs."""
    for rows in described.get("tabs", {"": described.get("rows", [])}).values():
        yield from rows


def charts_of(described: Mapping[str, Any]) -> list[str]:
    """The charts of a dashboard in the order of its rows."""
    return [name for row in rows_of(described) for name in row["charts"]]


def links(files: Files, slug: str) -> str:
    """A line with all dashboards, the other ones as links."""
    ours = {other: described["title"] for other, described in files.dashboards.items()}
    by_title = sorted((title, other) for other, title in {**files.neighbours, **ours}.items())
    return " · ".join(
        f"**{title}**" if other == slug else f"[{title}](/superset/dashboard/{other}/)" for title, other in by_title
    )


def position(files: Files, described: Dict, numbers: Mapping[str, int], first_line: str) -> Dict:
    """The layout as Superset keeps it: a flat mapping of parts that name their children and their parents. Every tab
    begins with the same line."""
    parts: dict[str, Dict] = {}

    def add(kind: str, name: str, parents: list[str], **meta: Any) -> list[str]:
        """Adds a part to the last of `parents`; returns the parents of what is put into it."""
        part_id = name if name.endswith("_ID") else f"{kind}-{name}"
        parts[part_id] = {"id": part_id, "type": kind, "parents": parents, "children": []}
        if meta:
            parts[part_id]["meta"] = meta
        if parents:
            parts[parents[-1]]["children"].append(part_id)
        return [*parents, part_id]

    root = add("ROOT", "ROOT_ID", [])
    parts["HEADER_ID"] = {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": described["title"]}}
    grid = add("GRID", "GRID_ID", root)
    if "tabs" in described:
        parts["ROOT_ID"]["children"] = []
        tabs = add("TABS", "tabs", root)
        folders = {title: add("TAB", str(at), tabs, text=title) for at, title in enumerate(described["tabs"])}
        placed = [(folders[title], rows) for title, rows in described["tabs"].items()]
    else:
        placed = [(grid, described["rows"])]
    row_number = 0
    for at, (parents, rows) in enumerate(placed):
        line = add("ROW", f"links-{at}", parents, background="BACKGROUND_TRANSPARENT")
        add("MARKDOWN", f"links-{at}", line, width=WIDTH, height=LINE_HEIGHT, code=first_line)
        for row in rows:
            row_number += 1
            inside = add("ROW", str(row_number), parents, background="BACKGROUND_TRANSPARENT")
            for name, width in row["charts"].items():
                add(
                    "CHART",
                    name,
                    inside,
                    chartId=numbers[name],
                    width=width,
                    height=row["height"],
                    sliceName=files.charts[name]["slice_name"],
                    uuid=files.id("charts", name),
                )
    return {"DASHBOARD_VERSION_KEY": "v2", **parts}


def filters(files: Files, described: Dict, numbers: Mapping[str, int]) -> list[Dict]:
    """The one of time where a chart has some, and those of columns."""
    timeless = [
        n for name, n in numbers.items() if not files.datasets[files.charts[name]["dataset"]].get("main_dttm_col")
    ]
    of_time = [] if len(timeless) == len(numbers) else [time_filter(timeless)]
    above = [filter_["id"] for filter_ in of_time]
    return [*of_time, *(column_filter(files, column, numbers, above) for column in described["filters"])]


def time_filter(timeless: list[int]) -> Dict:
    return {
        "id": "NATIVE_FILTER-time",
        "name": "Time range",
        "type": "NATIVE_FILTER",
        "filterType": "filter_time",
        "targets": [{}],
        "cascadeParentIds": [],
        "controlValues": {"enableEmptyFilter": False},
        "defaultDataMask": {
            "extraFormData": {"time_range": LAST_HOUR},
            "filterState": {"value": LAST_HOUR},
            "ownState": {},
        },
        "scope": {"rootPath": ["ROOT_ID"], "excluded": timeless},
    }


def column_filter(files: Files, column: str, numbers: Mapping[str, int], above: list[str]) -> Dict:
    """Acts on the charts whose dataset has the column; offers the values that there are under the filters `above`. One
    that always has a value leaves alone what is split by the column, which is about all values."""
    described = files.filters[column]
    default = described.get("default")
    split = [number for name, number in numbers.items() if column in split_by(files.charts[name]["params"])]
    chosen: Dict = {"extraFormData": {}, "filterState": {}}
    if default:
        chosen["extraFormData"] = {"filters": [{"col": column, "op": "IN", "val": [default]}]}
        chosen["filterState"] = {"value": [default], "label": default}
    sorted_by = {"sortAscending": True, "sortMetric": described["sorted_by"]} if "sorted_by" in described else {}
    return {
        "id": f"NATIVE_FILTER-{column}",
        "name": described["name"],
        "description": described.get("description", ""),
        "type": "NATIVE_FILTER",
        "filterType": "filter_select",
        "targets": [{"datasetUuid": files.id("datasets", described["dataset"]), "column": {"name": column}}],
        "cascadeParentIds": above,
        "controlValues": {
            "multiSelect": default is None,
            "enableEmptyFilter": default is not None,  # it must not be empty
            "defaultToFirstItem": False,
            "inverseSelection": False,
            "searchAllOptions": False,
            **sorted_by,
        },
        "defaultDataMask": {**chosen, "ownState": {}},
        "scope": {
            "rootPath": ["ROOT_ID"],
            "excluded": sorted({*without(files, {column}, numbers), *(split if default else [])}),
        },
    }


def cross_filter(files: Files, name: str, numbers: Mapping[str, int]) -> Dict:
    """A click on a chart filters the others whose dataset has what the chart is split by."""
    excluded = without(files, split_by(files.charts[name]["params"]), numbers)
    return {
        "id": numbers[name],
        "crossFilters": {
            "scope": {"rootPath": ["ROOT_ID"], "excluded": sorted({*excluded, numbers[name]})},
            "chartsInScope": [],
        },
    }


def split_by(params: Mapping[str, Any]) -> set[str]:
    """The columns that a chart is split by, whatever Superset calls them for its kind: but for steps of time."""
    found: set[str] = set()
    for key in ("x_axis", "entity", "columns", "groupby", "groupby_b"):
        value = params.get(key, [])
        found |= {value} if isinstance(value, str) else set(value)
    return found - TIMES.keys()


def without(files: Files, columns: set[str], numbers: Mapping[str, int]) -> list[int]:
    """The numbers of the charts whose dataset lacks one of the columns."""
    return [number for name, number in numbers.items() if not columns <= files.columns(name)]


def with_guests(position: Dict, guests: Mapping[int, Mapping[str, str]]) -> Dict:
    """A layout with charts of the users' own added, three to a row: chart id -> name (`slice_name`) and `uuid`."""
    grid = "TAB-0" if "TAB-0" in position else "GRID_ID"
    parts = {key: dict(part) if isinstance(part, dict) else part for key, part in position.items()}
    parents = [*parts[grid]["parents"], grid]
    for at, (chart_id, guest) in enumerate(guests.items()):
        row = f"ROW-guests-{at // 3}"
        if row not in parts:
            meta = {"background": "BACKGROUND_TRANSPARENT"}
            parts[row] = {"id": row, "type": "ROW", "parents": parents, "children": [], "meta": meta}
            parts[grid]["children"] = [*parts[grid]["children"], row]
        chart_part = f"CHART-guest-{chart_id}"
        meta = {"chartId": chart_id, "width": 4, "height": 50, "sliceName": guest["slice_name"], "uuid": guest["uuid"]}
        parts[chart_part] = {
            "id": chart_part,
            "type": "CHART",
            "parents": [*parents, row],
            "children": [],
            "meta": meta,
        }
        parts[row]["children"] = [*parts[row]["children"], chart_part]
    return parts
