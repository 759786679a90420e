"""A Grafana dashboard over the table that the collector's ClickHouse exporter fills.

Its queries are SQL in files beside this one, over ``leaves``: the spans of calls and charges with
the cost that stood on them when they ended. What came in later, and what was discarded, is in the
report. Datasource: ``grafana-clickhouse-datasource``, whose macros and variables stand in the SQL.
"""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

Columns = Literal["map", "json"]
"""The layout of the attributes: text in a map, or a JSON column."""

_DATASOURCE = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
_TIME_SERIES, _TABLE = 0, 1
_ATTRIBUTE = re.compile(r"@([a-z_]+(?:\.[a-z_]+)+)")
_NAMES = {"map": "mapKeys(SpanAttributes)", "json": "JSONAllPaths(SpanAttributes)"}
_SPANS = {
    # a map is read once, and all names looked up in it, instead of once for each name
    "map": "(SELECT Timestamp, SpanAttributes FROM ${database}.${table})",
    "json": "${database}.${table}",
}
_SAID = (
    "What requests cost, by the spans of agentmeter as they ended. A sampled pipeline makes every "
    "figure a lower bound; late usage and discarded work are in `agentmeter report`."
)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its query, what the query is filled with, where it stands, in which unit."""

    title: str
    kind: str
    sql: str
    width: int
    height: int
    key: str = ""
    units: dict[str, str] = field(default_factory=dict)
    """Grafana's unit of a column; blank is that of all."""
    said: str = ""


_MONEY = {"cost": "currencyUSD", "per request": "currencyUSD", "cost of a request": "currencyUSD",
          "failed, cancelled or cut": "currencyUSD", "calls without a price": "percentunit",
          "share": "percentunit"}  # fmt: skip

PANELS = (
    Panel("In all", "stat", "totals", 24, 4, units=_MONEY),
    Panel("Cost over time, by model", "timeseries", "over_time", 24, 9, "model",
          {"": "currencyUSD"}),
    Panel("Cost over time, by feature", "timeseries", "over_time", 12, 9, "feature",
          {"": "currencyUSD"}),
    Panel("Cost over time, by tenant", "timeseries", "over_time", 12, 9, "tenant",
          {"": "currencyUSD"}),
    Panel("What a request costs", "barchart", "distribution", 12, 9, units=_MONEY,
          said="By nearest rank; p100 is the dearest."),
    Panel("The dearest requests", "table", "requests", 12, 9, units=_MONEY),
    Panel("By model", "table", "by_key", 8, 9, "model", _MONEY),
    Panel("By feature", "table", "by_key", 8, 9, "feature", _MONEY),
    Panel("By tenant", "table", "by_key", 8, 9, "tenant", _MONEY),
    Panel("Waste", "table", "waste", 12, 8, units=_MONEY,
          said="Calls that failed, were cancelled, or whose stream was lost; what they cost."),
    Panel("Without a price", "table", "unpriced", 12, 8, units=_MONEY,
          said="Calls that are in no cost, since their usage or price is not known."),
)  # fmt: skip


def dashboard(columns: Columns = "map") -> str:
    """The dashboard as JSON, for Grafana's import or its provisioning."""
    return json.dumps(_model(columns), indent=2) + "\n"


def queries(columns: Columns = "map") -> dict[str, str]:
    """The SQL of every panel, by its title."""
    return {panel.title: _query(panel, columns) for panel in PANELS}


def _query(panel: Panel, columns: Columns) -> str:
    sql = f"{_sql('leaves')}{_sql(panel.sql)}"
    marks = ((":key", panel.key), (":title", panel.key), (":names", _NAMES[columns]),
             (":spans", _SPANS[columns]))  # fmt: skip
    for mark, text in marks:
        sql = sql.replace(mark, text)
    return _ATTRIBUTE.sub(lambda found: _attribute(found[1], columns), sql)


@cache
def _sql(name: str) -> str:
    text = (files("agentmeter.render") / "grafana" / f"{name}.sql").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "".join(f"{line}\n" for line in lines)


def _attribute(name: str, columns: Columns) -> str:
    if columns == "map":
        return f"SpanAttributes['{name}']"
    return f"ifNull(CAST(SpanAttributes.{name}, 'Nullable(String)'), '')"


def _model(columns: Columns) -> dict[str, Any]:
    return {
        "__inputs": [
            {
                "name": "DS_CLICKHOUSE",
                "label": "ClickHouse",
                "type": "datasource",
                "pluginId": _DATASOURCE["type"],
                "pluginName": "ClickHouse",
            }
        ],
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
            {"type": "datasource", "id": _DATASOURCE["type"], "name": "ClickHouse",
             "version": "4.0.0"},
        ],
        "title": "What requests cost",
        "uid": "agentmeter-cost",
        "description": _SAID,
        "tags": ["agentmeter", "cost", "opentelemetry"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {"list": _variables()},
        "panels": _placed(columns),
    }  # fmt: skip


def _variables() -> list[dict[str, Any]]:
    source = {"name": "datasource", "label": "Data source", "type": "datasource",
              "query": _DATASOURCE["type"], "refresh": 1,
              "current": {"text": "", "value": "${DS_CLICKHOUSE}"}}  # fmt: skip
    texts = (("database", "default"), ("table", "otel_traces"), ("currency", "USD"))
    return [source, *(_text_box(name, value) for name, value in texts)]


def _text_box(name: str, value: str) -> dict[str, Any]:
    chosen = {"text": value, "value": value}
    return {"name": name, "label": name.capitalize(), "type": "textbox", "query": value,
            "current": chosen, "options": [{**chosen, "selected": True}]}  # fmt: skip


def _placed(columns: Columns) -> list[dict[str, Any]]:
    """The panels from left to right, in as many rows as they need."""
    placed, x, y, tallest = [], 0, 0, 0
    for number, panel in enumerate(PANELS, 1):
        if x + panel.width > 24:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append({"id": number, "gridPos": place, **_panel(panel, columns)})
        x, tallest = x + panel.width, max(tallest, panel.height)
    return placed


def _panel(panel: Panel, columns: Columns) -> dict[str, Any]:
    is_series = panel.kind == "timeseries"
    target = {
        "refId": "A",
        "datasource": _DATASOURCE,
        "editorType": "sql",
        "queryType": "timeseries" if is_series else "table",
        "format": _TIME_SERIES if is_series else _TABLE,
        "rawSql": _query(panel, columns),
    }
    return {
        "title": panel.title,
        "type": panel.kind,
        "description": panel.said,
        "datasource": _DATASOURCE,
        "targets": [target],
        "fieldConfig": _fields(panel),
        "options": {"reduceOptions": {"values": False, "fields": "/.*/"}}
        if panel.kind == "stat"
        else {},
    }


def _fields(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.units[""]} if "" in panel.units else {}
    if panel.kind == "timeseries":
        stacked = {"stacking": {"mode": "normal"}}
        defaults["custom"] = {"drawStyle": "bars", "fillOpacity": 80, **stacked}
    overrides = [
        {
            "matcher": {"id": "byName", "options": column},
            "properties": [{"id": "unit", "value": unit}],
        }
        for column, unit in panel.units.items()
        if column
    ]
    return {"defaults": defaults, "overrides": overrides}
