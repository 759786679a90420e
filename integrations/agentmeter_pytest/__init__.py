"""The pytest plugin: what tests cost. Loaded by every run of pytest, so it loads nothing itself.

The work is in ``agentmeter.testing.pytest_costs``, which comes in with ``--agentmeter``,
``--agentmeter-update``, a test that is marked ``agentmeter``, or one that uses the fixture.
"""

from typing import Any

import pytest

_WORK = "agentmeter.testing.pytest_costs"
_MARKER = (
    "agentmeter(max_usd=None, max_tokens=None, max_calls=None): "
    "fail the test if what it meters exceeds a limit; amounts are text, such as '0.05'"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and settings; all of them begin with the distribution's name."""
    group = parser.getgroup("agentmeter", "what tests cost")
    group.addoption("--agentmeter", action="store_true", help="Show what each test cost.")
    group.addoption(
        "--agentmeter-update",
        action="store_true",
        help="Write what the tests cost now into the snapshot, which --agentmeter compares with.",
    )
    group.addoption(
        "--agentmeter-tolerance",
        metavar="PERCENT",
        help="How much more than in the snapshot a test may cost before the run fails (10).",
    )
    parser.addini("agentmeter_snapshot", "The file of cost snapshots.", default="test-costs.json")
    parser.addini("agentmeter_tolerance", "As --agentmeter-tolerance.", default="10")


def pytest_configure(config: pytest.Config) -> None:
    """Load what does the work, if it was asked for."""
    config.addinivalue_line("markers", _MARKER)
    if config.getoption("agentmeter") or config.getoption("agentmeter_update"):
        _load(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Load it as well if a test is marked."""
    if any(item.get_closest_marker("agentmeter") for item in items):
        _load(config)


@pytest.fixture
def assert_cost_below(request: pytest.FixtureRequest) -> Any:
    """``agentmeter.testing.assert_cost_below``, with every integration switched on."""
    return _load(request.config).instrumented()


def _load(config: pytest.Config) -> Any:
    config.pluginmanager.import_plugin(_WORK)
    return config.pluginmanager.get_plugin(_WORK)
