"""The Grafana dashboard as it is imported; its figures are in ``tests/clickhouse``."""

import json
import re
from pathlib import Path

from tests.cli.test_commands import agentmeter

from agentmeter.render.grafana import PANELS, dashboard


def test_the_dashboard_is_complete_for_import() -> None:
    """Panels do not overlap, every one has a query on the chosen data source, no mark is left."""
    made = json.loads(dashboard())
    taken = [
        (x, y)
        for panel in made["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) == 23
    for panel in made["panels"]:
        (target,) = panel["targets"]
        assert target["datasource"] == {
            "type": "grafana-clickhouse-datasource",
            "uid": "${datasource}",
        }
        assert not re.search(r"@|(?<!:):[a-z]", target["rawSql"])
    assert [panel["title"] for panel in made["panels"]] == [panel.title for panel in PANELS]
    used = set(re.findall(r"\$\{(\w+)\}", dashboard())) - {"DS_CLICKHOUSE"}
    assert used == {one["name"] for one in made["templating"]["list"]}


def test_the_command_prints_it(tmp_path: Path) -> None:
    """On standard output, or into a file; for either layout of attributes."""
    printed = agentmeter("export", "grafana", cwd=tmp_path)
    assert (printed.returncode, printed.stdout) == (0, dashboard())
    written = agentmeter("export", "grafana", "--columns", "json", "-o", "x.json", cwd=tmp_path)
    assert (written.returncode, written.stdout) == (0, "")
    assert (tmp_path / "x.json").read_text() == dashboard("json")
