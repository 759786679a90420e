"""Keeps what the tests came to, where ``--results FILE`` asks for it."""

from pathlib import Path
from typing import Any

import pytest
from tests.integrations.results import Results, installed, integration_of, integrations

_KEPT = pytest.StashKey[Results]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", type=Path, help="a file for what the tests came to")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--results", None) is not None:
        found = Results()
        for integration in integrations().values():
            found.versions.update(installed(integration))
        config.stash[_KEPT] = found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    report = yield
    kept = item.config.stash.get(_KEPT, None)
    if kept is not None and (report.when == "call" or not report.passed):
        integration, behaviour = _about(item)
        if integration is not None:
            kept.take(integration, behaviour, report.outcome)
    return report


def _about(item: Any) -> tuple[str | None, str | None]:
    """The integration that a test is about, and the behaviour where it is a case."""
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if "case" in given and hasattr(given["case"], "subject"):
        return given["case"].subject.integration.name, str(given["case"])
    names = set(integrations())
    if item.path.stem == "test_order":
        return given["name"], None
    named = getattr(item.module, "INTEGRATION", None)
    return named or integration_of(item.path.stem, names), None


def pytest_sessionfinish(session: pytest.Session) -> None:
    file = session.config.getoption("--results", None)
    if file is not None:
        session.config.stash[_KEPT].write(file)
