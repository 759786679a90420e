"""A real Chromium, and the page of the sample in it."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.render.sample import NOW, sample

from agentmeter.render.html import page
from agentmeter.report.page.value import page_value
from agentmeter.report.report import Report

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOCAL = ("file:", "data:", "blob:", "http://127.0.0.1:")


@pytest.fixture(scope="session")
def report() -> Report:
    return sample()


@pytest.fixture(scope="session")
def value(report: Report) -> dict[str, Any]:
    """The page's value, as it is in the page."""
    made: dict[str, Any] = page_value(report, NOW)["report"]
    return made


@pytest.fixture(scope="session")
def address(value: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page({"report": value}), "utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")  # no longer: while it is open, an event loop runs in this thread
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium is installed: make test-page installs it")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1280, "height": 900})
    made.set_default_timeout(15_000)
    yield made
    made.close()


@pytest.fixture
def tab(context: BrowserContext) -> Iterator[Page]:
    """A tab; what it asks of any other host, an error or a breach of its policy fails the test."""
    made = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.on("console", lambda message: said.append(message.text))
    made.on("pageerror", lambda error: said.append(str(error)))
    yield made
    assert [url for url in asked if not url.startswith(LOCAL)] == []
    assert said == []
