"""The page over what is received, while it comes in."""

import os
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, expect

from agentmeter.report.page.value import page_value
from agentmeter.report.report import build
from agentmeter.store.reader import read
from tests.serve.serving import Serving, export, serving, span, until

OPERATOR = "the-operators-own-token"
PROGRAM = """
import sys
import agentmeter as am

am.configure(directory=sys.argv[1], spans=False, flush_on_close=True)
for line in sys.stdin:
    with am.request(line.strip(), user="u-1"), am.agent("planner"):
        am.charge("search", usd="0.25")
    print("done", flush=True)
"""


def report_of(server: Serving) -> dict[str, Any]:
    made: dict[str, Any] = server.client.get("/api/report").json()["report"]
    return made


def test_a_new_request_appears_without_a_reload(tab: Page, tmp_path: Path) -> None:
    """Its cost in the total, itself in the list, and its tree when it is opened."""
    with serving(tmp_path / "journal") as server:
        assert server.post(export(span(1))).status_code == 200
        tab.goto(f"{server.address}/#/overview")
        expect(tab.locator(".state")).to_have_text("live")
        cost = tab.locator("#total-cost .money").first
        expect(cost).to_have_attribute("data-exact", "0.000225")
        tab.evaluate("window.stays = true")
        assert server.post(export(span(2, trace=2))).status_code == 200
        expect(cost).to_have_attribute("data-exact", "0.00045")
        tab.goto(f"{server.address}/#/requests")
        expect(tab.locator("tr[data-id]")).to_have_count(2)
        tab.locator(f'tr[data-id="{2:032x}"] a').click()
        expect(tab.locator("#request-cost .money")).to_have_attribute("data-exact", "0.000225")
        expect(tab.locator(".cell")).to_have_count(2)
        assert server.post(export(span(3, trace=2))).status_code == 200
        expect(tab.locator("#request-cost .money")).to_have_attribute("data-exact", "0.00045")
        assert tab.evaluate("window.stays")
        tab.goto("about:blank")


def test_programs_that_write_to_the_folder_are_shown_too(tab: Page, tmp_path: Path) -> None:
    """A journal that another process has open, in the same totals as what is received."""
    folder = tmp_path / "journal"
    with serving(folder) as server:
        tab.goto(f"{server.address}/#/requests")
        expect(tab.locator(".state")).to_have_text("live")
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
        ) as program:
            assert program.stdin is not None
            assert program.stdout is not None
            for number in (1, 2):
                program.stdin.write(f"local {number}\n")
                program.stdin.flush()
                assert program.stdout.readline() == "done\n"
                expect(tab.locator("tr[data-id]")).to_have_count(number)
            program.stdin.close()
        assert server.post(export(span(1))).status_code == 200
        expect(tab.locator("tr[data-id]")).to_have_count(3)
        assert Decimal(report_of(server)["total"]["cost"]["amount"]) == Decimal("0.500225")
        tab.goto("about:blank")


def test_the_page_opens_with_the_operators_token_alone(browser: Browser, tmp_path: Path) -> None:
    """As the password that the browser asks for; events and figures come with it."""
    with serving(tmp_path / "journal", env={"AGENTMETER_TOKEN": OPERATOR}) as server:
        sent = server.post(export(span(1)), authorization=f"Bearer {OPERATOR}")
        assert sent.status_code == 200
        wrong = browser.new_context(http_credentials={"username": "x", "password": "wrong" * 4})
        answer = wrong.new_page().goto(server.address)
        assert answer is not None
        assert answer.status == 401
        wrong.close()
        right = browser.new_context(http_credentials={"username": "", "password": OPERATOR})
        tab = right.new_page()
        tab.goto(server.address)
        expect(tab.locator(".state")).to_have_text("live")
        expect(tab.locator("#request-cost .money")).to_have_attribute("data-exact", "0.000225")
        right.close()


def test_the_figures_are_those_of_a_report(tmp_path: Path) -> None:
    """Whole and one request, after every kind of change: appended, compacted, and begun anew."""
    folder = tmp_path / "journal"
    with serving(folder) as server:
        server.post(export(*(span(n, trace=n % 3 + 1) for n in range(1, 10))))
        for _ in range(2):
            shown = report_of(server)
            contents = read(folder)
            made = build(contents.entries, {})
            listed = sorted(row[0] for row in shown["requests"]["rows"])
            assert listed == [f"{n:032x}" for n in (1, 2, 3)]
            assert shown["total"]["usage"] == dict(made.usage)
            assert shown["trees"] == {"by_id": {}, "left_out": 3}
            one = server.client.get("/api/request", params={"id": f"{2:032x}"}).json()["tree"]
            whole = page_value(made.only(f"{2:032x}"), 0)["report"]["trees"]["by_id"]
            assert one["usage"] == whole[f"{2:032x}"]["usage"]
            assert len(one["scopes"]) == len(whole[f"{2:032x}"]["scopes"])
    run = [sys.executable, "-m", "agentmeter.cli", "compact", str(folder)]
    with serving(folder) as server:
        before = report_of(server)
        assert before["total"]["calls"] == 9
        subprocess.run(run, check=True, cwd=tmp_path, capture_output=True)
        server.post(export(span(10)))
        until(lambda: report_of(server)["total"]["calls"] == 10)


def test_many_who_look_cost_one_report(tmp_path: Path) -> None:
    """Nothing is sent again to who has it, and everybody gets the same bytes."""
    with serving(tmp_path / "journal") as server:
        server.post(export(span(1)))
        first = server.client.get("/api/report")
        assert first.headers["content-encoding"] == "gzip"
        tag = first.headers["etag"]
        again = server.client.get("/api/report", headers={"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")
        plain = server.client.get("/api/report", headers={"accept-encoding": "identity"})
        assert (plain.content, plain.headers["etag"]) == (first.content, tag)
        tags = set()

        def look() -> None:
            tags.add(httpx.get(f"{server.address}/api/report").headers["etag"])

        threads = [threading.Thread(target=look) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert tags == {tag}


def test_a_report_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    """The process that makes it is killed: the receiver goes on, and the next one reads it all."""
    with serving(tmp_path / "journal") as server:
        server.post(export(span(1)))
        assert report_of(server)["total"]["calls"] == 1
        pid = server.process.pid
        (reporting,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(reporting), signal.SIGKILL)
        server.post(export(span(2)))
        until(lambda: server.client.get("/api/report").status_code == 200)
        until(lambda: report_of(server)["total"]["calls"] == 2)
