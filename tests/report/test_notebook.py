"""Reports in a notebook."""

from html.parser import HTMLParser
from typing import Any

import agentmeter as am
from agentmeter.testing import metered


def parsed(html: str) -> tuple[set[str], list[str]]:
    tags: set[str] = set()
    cells: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            tags.add(tag)
            if tag in ("td", "th"):
                cells.append("")

        def handle_data(self, data: str) -> None:
            cells[-1] += data

    Parser().feed(html)
    return tags, cells


def test_a_request_is_its_tree_and_many_are_a_table() -> None:
    """With names escaped, and what is left out counted."""
    with metered() as meter, am.request("ask", user="<b>u</b>"), am.tool("<script>"):
        am.charge("search", usd="0.005")
    tags, cells = parsed(meter.report()._repr_html_())
    assert tags == {"table", "thead", "tbody", "tfoot", "tr", "th", "td"}
    assert "\N{NO-BREAK SPACE}" * 3 + "tool <script>" in cells
    assert cells[-2] == "$0.005000"
    with metered() as meter:
        for _ in range(60):
            with am.request(user="<b>u</b>"):
                am.charge("search", usd="0.005")
    report = meter.report()
    tags, cells = parsed(report._repr_html_())
    assert tags == {"table", "thead", "tbody", "tfoot", "tr", "th", "td"}
    assert cells.count("<b>u</b>") == 50
    assert "… and 10 more" in cells
    assert cells[-8:] == ["60 requests", "", "", "", "", "0", "$0.300000", ""]
    assert report.requests[0]._repr_html_().count("search") == 1
