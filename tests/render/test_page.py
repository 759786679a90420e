"""The page in a real browser: what it shows, who can use it, and what cannot harm it."""

import copy
import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.render.sample import BREAKOUT, HOSTILE, NOW

import agentmeter as am
from agentmeter.render.html import embedded, page, shell
from agentmeter.report.page.value import page_value
from agentmeter.report.report import Report
from agentmeter.testing import metered

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 360, "height": 740}


def opened(tab: Page, address: str, view: str) -> None:
    """Open a view as somebody does who has its link."""
    tab.goto("about:blank")
    tab.goto(f"{address}#/{view}")
    tab.wait_for_selector("main h1")


def row_of(value: dict[str, Any], **wanted: Any) -> dict[str, Any]:
    columns = value["requests"]["columns"]
    rows = (dict(zip(columns, row, strict=True)) for row in value["requests"]["rows"])
    return next(row for row in rows if all(row[name] == want for name, want in wanted.items()))


def researched(value: dict[str, Any]) -> str:
    """The id of the large request of the sample."""
    details = value["trees"]["by_id"]
    return next(key for key, one in details.items() if one["tags"] == {"region": "eu"})


def views(value: dict[str, Any]) -> dict[str, str]:
    hostile = row_of(value, name=HOSTILE)["id"]
    large = researched(value)
    return {
        "overview": "Overview",
        "requests": "Requests",
        "groups?by=model": "Where the cost goes",
        "gaps": "What could not be priced",
        f"request/{large}": "ask",
        f"request/{large}?as=timeline&colour=model": "ask",
        f"request/{hostile}?colour=waste&width=tokens": HOSTILE,
        "request/none": "No such request",
    }


def exact(tab: Page, selector: str) -> list[str]:
    return [str(one.get_attribute("data-exact")) for one in tab.locator(selector).all()]


def test_every_view_opens_in_dark_light_and_on_a_phone(
    browser: Browser, tab: Page, address: str, value: dict[str, Any]
) -> None:
    """Under its own heading, without a scroll sideways, with no name taken for markup."""
    for scheme, size in (("light", None), ("dark", PHONE)):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if size:
            tab.set_viewport_size(size)  # type: ignore[arg-type]
        for view, heading in views(value).items():
            opened(tab, address, view)
            assert tab.locator("h1").inner_text() == heading
            assert tab.title().endswith("· agentmeter")
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (view, size)
            assert tab.locator("img").count() == 0
            assert tab.locator("script").count() == 2


def test_figures_are_the_reports(
    tab: Page, address: str, report: Report, value: dict[str, Any]
) -> None:
    """To the last digit: the totals, today, the ranks, every request and every group."""
    opened(tab, address, "overview")
    (usd,) = report.amounts.values()
    assert Decimal(exact(tab, "#total-cost .money")[0]) == usd
    assert exact(tab, "#today-cost .money") == [value["today"]["cost"]]
    assert exact(tab, "#change .money") == [value["today"]["change"]]
    ranks = value["distribution"]
    shown = [*ranks["percentiles"].values(), ranks["max"], ranks["mean"]]
    assert exact(tab, ".ranks .money") == shown
    rows = value["groups"]["feature"]["rows"]
    assert exact(tab, ".groups .cost .money") == [row["cost"] for row in rows]
    assert sum(Decimal(row["cost"]) for row in rows) == usd
    opened(tab, address, "requests")
    listed: dict[str, str] = {}
    while True:
        for row in tab.locator("tr[data-id]").all():
            cost = row.locator(".cost .money").first.get_attribute("data-exact")
            listed[str(row.get_attribute("data-id"))] = str(cost)
        following = tab.get_by_role("button", name="Next")
        if following.is_disabled():
            break
        following.click()
    made = {one.request_id: sum(one.amounts.values(), Decimal(0)) for one in report.requests}
    assert {key: Decimal(cost) for key, cost in listed.items()} == made


def test_one_request_to_its_last_line(
    tab: Page, address: str, report: Report, value: dict[str, Any]
) -> None:
    """Direct and inclusive figures of every scope, attempts, evidence and provenance."""
    key = researched(value)
    opened(tab, address, f"request/{key}?as=timeline")
    detail = value["trees"]["by_id"][key]
    one = next(one for one in report.requests if one.request_id == key)
    assert Decimal(exact(tab, "#request-cost .money")[0]) == one.amounts["USD"]
    assert tab.get_by_role("treeitem").count() == len(detail["scopes"])
    for index, scope in enumerate(detail["scopes"]):
        tab.locator(f'[data-index="{index}"]').click()
        costs = [scope["cost"]["amount"], scope["direct_cost"]["amount"]]
        assert exact(tab, ".details .pairs .money")[:2] == costs
        lines = scope.get("call", {}).get("lines", [])
        assert exact(tab, ".details table .money") == [line["amount"] for line in lines]
    retried = next(
        index
        for index, scope in enumerate(detail["scopes"])
        if len(scope.get("call", {}).get("attempts", ())) == 2
    )
    tab.locator(f'[data-index="{retried}"]').click()
    assert tab.locator(".details ol li").all_inner_texts() == [
        "503 after 1.30 s",
        "200 after 1.30 s",
    ]
    assert "reported" in tab.locator(".details table").inner_text()
    dearest = detail["provenance"]["segments"][0]
    first = tab.locator(".pieces li").first
    assert first.inner_text().startswith("This tool result search cost $0.0")
    assert f"over {dearest['calls']} calls" in first.inner_text()
    assert first.locator(".money").get_attribute("data-exact") == dearest["cost"]["amount"]


def test_widths_of_the_flame_graph_are_parts_of_the_cost(
    tab: Page, address: str, value: dict[str, Any]
) -> None:
    """A child is as wide against the root as its cost is against the root's."""
    key = researched(value)
    opened(tab, address, f"request/{key}")
    scopes = value["trees"]["by_id"][key]["scopes"]
    whole = Decimal(scopes[0]["cost"]["amount"])
    for cell in tab.locator(".cell").all():
        index = int(str(cell.get_attribute("data-index")))
        part = Decimal(scopes[index]["cost"]["amount"]) / whole
        width = Decimal(cell.evaluate("e => e.style.width").removesuffix("%"))
        assert width == (100 * part).quantize(Decimal("0.0001"))
    tab.get_by_role("radio", name="Waste").click()
    wasted = [index for index, scope in enumerate(scopes) if "waste_reason" in scope]
    marked = tab.locator(".cell.cw").all()
    assert [int(str(one.get_attribute("data-index"))) for one in marked] == sorted(
        wasted, key=lambda index: (depth(scopes, index), index)
    )


def depth(scopes: list[dict[str, Any]], index: int) -> int:
    steps = 0
    while scopes[index].get("parent") is not None:
        index, steps = scopes[index]["parent"], steps + 1
    return steps


def test_everything_by_the_keyboard(tab: Page, address: str, value: dict[str, Any]) -> None:
    """From the first tab stop to the details of a scope, without a pointer."""
    opened(tab, address, "overview")
    keys = tab.keyboard
    keys.press("Tab")
    expect(tab.get_by_text("Skip to the content")).to_be_focused()
    for _ in range(3):
        keys.press("Tab")
    expect(tab.get_by_role("link", name="Requests", exact=True)).to_be_focused()
    keys.press("Enter")
    expect(tab.locator("h1")).to_be_focused()
    keys.press("Tab")
    expect(tab.locator("#search")).to_be_focused()
    keys.type(researched(value))
    expect(tab.locator("#found")).to_have_text("1 of 243 requests")
    for _ in range(6):
        keys.press("Tab")
    keys.press("Enter")
    expect(tab.locator("h1")).to_have_text("ask")
    expect(tab.locator("h1")).to_be_focused()
    while tab.evaluate("document.activeElement.getAttribute('role')") != "treeitem":
        keys.press("Tab")
    keys.press("ArrowDown")
    expect(tab.locator(".details h2")).to_have_text("agent researcher")
    keys.press("ArrowDown")
    keys.press("ArrowRight")
    expect(tab.locator(".cell:focus")).to_have_attribute("title", re.compile("^branch history"))
    keys.press("Enter")
    expect(tab.locator(".cell").first).to_have_attribute("title", re.compile("^branch history"))
    keys.press("Escape")
    expect(tab.locator(".cell:focus")).to_have_attribute("title", re.compile("^request ask"))
    keys.press("Shift+Tab")
    keys.press("ArrowRight")
    expect(tab.get_by_role("radio", name="Tokens")).to_be_checked()
    for _ in range(2):
        keys.press("Shift+Tab")
    keys.press("ArrowRight")
    expect(tab.get_by_role("tree")).to_have_attribute("aria-label", "Timeline")


def test_a_view_can_be_linked_and_gone_back_to(
    tab: Page, address: str, value: dict[str, Any]
) -> None:
    """A bar of the histogram leads to its requests; the address keeps what was chosen."""
    opened(tab, address, "overview")
    last = value["distribution"]["bins"][-1]
    tab.locator("a.bin").last.click()
    expect(tab.locator("tr[data-id]")).to_have_count(last["requests"])
    tab.get_by_role("button", name="show all").click()
    tab.get_by_role("button", name="Calls").click()
    assert "sort=calls" in tab.url
    tab.locator("tr[data-id] a").first.click()
    tab.locator('.cell[data-index="1"]').click()
    assert "scope=1" in tab.url
    tab.reload()
    assert tab.locator(".cell.is").get_attribute("data-index") == "1"
    tab.go_back()
    expect(tab.locator("th[aria-sort]")).to_have_text("Calls ↓")


def test_themes(tab: Page, address: str) -> None:
    """The system's own at first; the button goes round, and the choice is kept."""
    tab.emulate_media(color_scheme="dark")
    opened(tab, address, "overview")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = tab.evaluate(paper)
    tab.get_by_role("button", name="Theme").click()
    light = tab.evaluate(paper)
    assert (dark, light) == ("rgb(19, 19, 18)", "rgb(246, 245, 241)")
    tab.reload()
    assert tab.evaluate(paper) == light
    tab.get_by_role("button", name="Theme").click()
    assert tab.evaluate(paper) == dark


def test_hostile_names_are_shown_as_they_are(
    tab: Page, address: str, value: dict[str, Any]
) -> None:
    """A model called ``<script>`` is a name like any other."""
    opened(tab, address, "groups?by=model")
    assert HOSTILE in tab.locator(".groups .name").all_inner_texts()
    assert tab.locator(".groups tr", has_text=HOSTILE).locator(".cost").inner_text() == "not priced"
    opened(tab, address, "gaps")
    assert HOSTILE in tab.locator("#gaps .name").all_inner_texts()
    opened(tab, address, f"request/{row_of(value, name=HOSTILE)['id']}?width=tokens")
    assert f"{HOSTILE} {BREAKOUT}".replace("\u2028", "") in tab.locator(
        ".chips"
    ).inner_text().replace("\u2028", "")
    assert HOSTILE in tab.locator(".cell").nth(1).inner_text()


def test_the_value_cannot_close_its_element(value: dict[str, Any]) -> None:
    """Whatever a name holds, the file has two scripts, and the value comes out as it went in."""
    text = embedded({"report": value, "more": "</SCRIPT><!--<script>\ud800"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"report": value, "more": "</SCRIPT><!--<script>\ud800"}
    found: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            found.append(tag)

    Parser().feed(page({"report": value}))
    assert (found.count("script"), found.count("img")) == (2, 0)


def test_the_policy_allows_nothing_from_anywhere() -> None:
    """The served page may ask its own server, the file nobody."""
    for text, connect in ((page({}), "'none'"), (shell(), "'self'")):
        policy = re.search(r'Policy" content="([^"]*)"', text)
        assert policy is not None
        assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
        assert f"connect-src {connect};" in policy[1]
        assert "unsafe" not in policy[1]
    assert len(shell()) < 100_000


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make test-page")
def test_no_barrier_that_axe_finds(tab: Page, address: str, value: dict[str, Any]) -> None:
    """Roles, names and order in every view, contrasts in both themes."""
    every = [
        ("light", view, "wcag2a wcag2aa wcag21aa wcag22aa best-practice") for view in views(value)
    ]
    dark = [("dark", view, "wcag2aa") for view in ("overview", f"request/{researched(value)}")]
    for scheme, view, tags in (*every, *dark):
        tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        opened(tab, address, view)
        tab.evaluate(AXE.read_text())
        found = tab.evaluate(
            "tags => axe.run({runOnly: tags, resultTypes: ['violations']})", tags.split()
        )["violations"]
        told = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found]
        assert told == [], (view, scheme)


def test_charts_have_names_and_figures(tab: Page, address: str) -> None:
    """Whoever does not see a chart reads it as a table."""
    opened(tab, address, "overview")
    assert tab.get_by_role("img", name=re.compile("Cost by hour")).count() == 1
    assert tab.get_by_role("img", name=re.compile("Cost by feature for each hour")).count() == 1
    assert tab.get_by_role("navigation", name="Views").count() == 1
    for summary in ("The distribution as a table", "The chart as a table"):
        tab.get_by_text(summary).click()
        assert tab.get_by_role("region", name=summary).get_by_role("row").count() > 10


def shown(tab: Page, folder: Path, value: dict[str, Any]) -> str:
    file = folder / "page.html"
    file.write_text(page({"report": value}), "utf-8")
    return file.as_uri()


def test_thousands_of_requests_are_paged(tab: Page, tmp_path: Path, value: dict[str, Any]) -> None:
    """Fifty rows at a time of twelve thousand, found by their id at once."""
    many = {**value, "requests": copy.deepcopy(value["requests"])}
    rows = many["requests"]["rows"]
    many["requests"]["rows"] = [[f"{row[0]}-{n}", *row[1:]] for row in rows for n in range(50)]
    opened(tab, shown(tab, tmp_path, many), "requests")
    assert tab.locator("#found").inner_text() == f"{50 * len(rows):,} requests"
    assert tab.locator("tr[data-id]").count() == 50
    tab.locator("#search").fill(f"{rows[-1][0]}-49")
    assert tab.locator("tr[data-id]").count() == 1


def test_trees_that_are_left_out_are_told(tab: Page, tmp_path: Path, report: Report) -> None:
    """With how many they are, and the command that shows the one."""
    made = page_value(report, NOW, most_scopes=100)["report"]
    kept, left_out = made["trees"]["by_id"], made["trees"]["left_out"]
    assert (len(kept), left_out) == (1, len(report.requests) - 1)
    missing = made["requests"]["rows"][-1][0]
    opened(tab, shown(tab, tmp_path, made), f"request/{missing}")
    assert f"{left_out} are left out" in tab.locator("#absent").inner_text()
    assert f"--request {missing} --html FILE" in tab.locator("#absent").inner_text()


def test_a_tree_deeper_than_any_stack(tab: Page, tmp_path: Path) -> None:
    """Three thousand scopes within each other, in both pictures."""
    with metered() as meter, am.request("deep", id="f" * 32), ExitStack() as stack:
        for _ in range(3000):
            stack.enter_context(am.step("deeper"))
        am.charge("search", usd="0.5")
    made = page_value(meter.report(), NOW)["report"]
    at = shown(tab, tmp_path, made)
    opened(tab, at, f"request/{'f' * 32}")
    assert tab.get_by_role("treeitem").count() == 2500
    assert "502 scopes too narrow to draw here" in tab.locator(".graph").inner_text()
    opened(tab, at, f"request/{'f' * 32}?as=timeline")
    assert tab.get_by_role("treeitem").count() == 300
    tab.get_by_role("button", name="Show more").click()
    assert tab.get_by_role("treeitem").count() == 600


def test_a_long_name_takes_no_more_than_a_few_lines(tab: Page, tmp_path: Path) -> None:
    """It is whole when pointed at, and leaves the instant beside it on one line."""
    name = "a" * 3000
    with metered() as meter:
        for _ in range(2):
            with am.request("ask", user=name, feature=name):
                am.charge("search", usd="0.01")
    opened(tab, shown(tab, tmp_path, page_value(meter.report(), NOW)["report"]), "overview")
    cells = tab.locator(".long")
    assert [one.get_attribute("title") for one in cells.all()] == [name] * cells.count()
    assert cells.count() >= 3
    lines = "e => e.clientHeight / parseFloat(getComputedStyle(e).fontSize)"
    assert all(one.evaluate(lines) < 6 for one in cells.all())
    when = tab.locator('.list td[data-name="when"] time').first
    assert when.evaluate("e => e.getClientRects().length") == 1


@pytest.mark.parametrize("name", ["__proto__", "constructor", "toString", "\ud800"])
def test_names_that_every_object_has(tab: Page, tmp_path: Path, name: str) -> None:
    """Are names like any other, of requests, reasons, keys and tags."""
    with metered() as meter, am.request(name, id=name, user=name, feature=name, tags={name: name}):
        with am.branch(name) as branch, am.call(provider=name, model=name) as call:
            call.record(am.Usage(input=7))
        branch.discard(name)
    at = shown(tab, tmp_path, page_value(meter.report(), NOW)["report"])
    tab.goto(at)
    tab.wait_for_selector("main h1", state="attached")
    if name != "\ud800":
        assert tab.locator("h1").inner_text() == name, "a lone request is shown at once"
        for choice in ("Waste", "Tokens", "Timeline"):
            tab.get_by_role("radio", name=choice).click()
        tab.get_by_role("treeitem").last.click()
        assert tab.locator(".details h2").inner_text() == f"call {name}"
    for view in ("overview", "requests", "groups?by=model", "gaps"):
        opened(tab, at, view)


def test_nothing_recorded_is_said_plainly(tab: Page, tmp_path: Path) -> None:
    """Instead of a page of zeros."""
    at = shown(tab, tmp_path, page_value(Report(()), NOW)["report"])
    opened(tab, at, "overview")
    assert tab.locator("h1").inner_text() == "No requests yet"
    for view in ("requests", "groups", "gaps"):
        opened(tab, at, view)


def test_margin_only_where_there_is_one(tab: Page, tmp_path: Path, report: Report) -> None:
    """A comparison of plans has a card of its own."""
    plan = {
        "plan": HOSTILE,
        "requests": 12,
        "revenue": "2.40",
        "cost": "3.15",
        "margin": "-0.75",
        "margin_rate": "-0.3125",
        "losing_requests": 3,
    }
    margin = {"currency": "USD", "plans": [plan]}
    opened(tab, shown(tab, tmp_path, page_value(report, NOW)["report"]), "overview")
    assert tab.locator("#margin").count() == 0
    made = page_value(report, NOW, margin=margin)["report"]
    opened(tab, shown(tab, tmp_path, made), "overview")
    assert exact(tab, "#margin .money") == ["2.40", "3.15", "-0.75"]
    assert tab.locator("#margin td").last.inner_text() == "−$0.7500"


@contextmanager
def served(values: list[dict[str, Any]], events: "Queue[str | None]") -> Iterator[str]:
    """The shell, its value and its events, as a server gives them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/api/events":
                return self.stream()
            is_page = self.path == "/"
            kind = "text/html" if is_page else "application/json"
            body = shell() if is_page else json.dumps({"report": values[-1]})
            return self.answer(kind, body.encode())

        def answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.flush()
            while (event := events.get()) is not None:
                self.wfile.write(f"data: {event}\n\n".encode())
                self.wfile.flush()

        def log_message(self, *args: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        events.put(None)
        server.shutdown()
        server.server_close()
        thread.join()


def test_live_from_a_server(tab: Page, value: dict[str, Any]) -> None:
    """An event brings the new figures in; the view and its choices stay."""
    values = [copy.deepcopy(value)]
    events: Queue[str | None] = Queue()
    with served(values, events) as address:
        tab.goto(f"{address}#/overview?by=tenant")
        expect(tab.locator(".state")).to_have_text("live")
        tab.get_by_role("radio", name="Model").click()
        values.append(copy.deepcopy(value))
        values[-1]["total"]["cost"]["amount"] = "7.25"
        events.put("more")
        expect(tab.locator("#total-cost .money")).to_have_attribute("data-exact", "7.25")
        expect(tab.get_by_role("radio", name="Model")).to_be_checked()
        expect(tab.get_by_role("radio", name="Model")).to_be_focused()
        tab.goto("about:blank")
