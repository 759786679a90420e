"""What the pytest plugin does once it is wanted: costs of tests, limits, snapshots, the summary.

Figures travel with the reports of tests, so that workers of pytest-xdist need nothing of their own.
"""

import os
from collections.abc import Iterator
from decimal import Decimal
from functools import cache, reduce
from typing import Any

import pytest

import agentmeter as am
from agentmeter.exceptions import AgentmeterError
from agentmeter.model.money import CONTEXT, exact, plain
from agentmeter.runtime.state import STATE
from agentmeter.testing.costs import Metering, assert_cost_below, too_much
from agentmeter.testing.snapshot import dearer, figures, read_snapshot, write_snapshot

_PROPERTY = "agentmeter"
_AT_LEAST = "at least"
_SHOWN = 10
_METERING = pytest.StashKey[Metering]()


def instrumented() -> Any:
    """``assert_cost_below``, with every integration switched on."""
    _switch_on()
    return assert_cost_below


@cache
def _switch_on() -> None:
    """Meter what is installed, from the first test on; without a journal, unless one is wanted."""
    if not STATE.configured and "AGENTMETER_JOURNAL" not in os.environ:
        am.configure(journal=False)
    am.instrument()


# -- each test -------------------------------------------------------------------------------------


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Begin to meter a test with its fixtures."""
    _switch_on()
    item.stash[_METERING] = Metering().__enter__()
    yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run the test, and hold what it cost against its mark."""
    found = yield
    mark = item.get_closest_marker("agentmeter")
    metering = item.stash.get(_METERING, None)
    if mark is not None and metering is not None:
        said = too_much(metering.cost(), **_limits(mark))
        if said is not None:
            pytest.fail(f"cost: {said}", pytrace=False)
    return found


def _limits(mark: pytest.Mark) -> dict[str, Any]:
    known = {"max_usd": "usd", "max_tokens": "tokens", "max_calls": "calls"}
    wrong = [name for name in mark.kwargs if name not in known]
    if wrong or mark.args or not mark.kwargs:
        named = f"has no {wrong[0]!r}" if wrong else "takes limits by name"
        pytest.fail(f"mark agentmeter {named}; it has {', '.join(known)}", pytrace=False)
    return {known[name]: limit for name, limit in mark.kwargs.items()}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """End the metering of a test, and let its last report carry what it cost."""
    try:
        return (yield)
    finally:
        metering = item.stash.get(_METERING, None)
        if metering is not None:
            metering.__exit__()
            cost = metering.cost()
            if cost:
                said = {name: plain(value) for name, value in figures(cost).items()}
                said |= {_AT_LEAST: "1"} if cost.at_least else {}
                item.user_properties.append((_PROPERTY, said))


# -- all of them -----------------------------------------------------------------------------------


class Costs:
    """What the tests of a run cost, and how that compares; where the run is controlled."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._failed: set[str] = set()
        self._at_least: set[str] = set()
        self._tests: dict[str, dict[str, Decimal]] = {}
        self._told: list[str] = []
        self._file = config.rootpath / config.getini("agentmeter_snapshot")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take what a test cost from its last report."""
        if report.failed:
            self._failed.add(report.nodeid)
        if report.when != "teardown":
            return
        for name, value in report.user_properties:
            if name == _PROPERTY and isinstance(value, dict):
                if value.pop(_AT_LEAST, None):
                    self._at_least.add(report.nodeid)
                self._tests[report.nodeid] = {one: exact(text, one) for one, text in value.items()}

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare with the snapshot, or write it."""
        sound = {test: now for test, now in self._tests.items() if test not in self._failed}
        try:
            before = read_snapshot(self._file)
            if self._config.getoption("agentmeter_update"):
                write_snapshot(self._file, {**before, **sound})
                self._told.append(f"{len(sound)} tests written to {self._file.name}")
            elif before and self._config.getoption("agentmeter"):
                self._compare(session, before, sound)
        except AgentmeterError as error:
            self._fail(session, str(error))

    def _compare(self, session: pytest.Session, before: Any, sound: Any) -> None:
        changes = dearer(before, sound, self._tolerance())
        if changes:
            self._fail(session, f"dearer than in {self._file.name}, by more than "
                                f"{plain(self._tolerance())} %:")  # fmt: skip
            shown = ""
            for change in changes:
                self._told += [change.test] if change.test != shown else []
                self._told.append(f"    {change}")
                shown = change.test
            self._told.append("if that is meant: --agentmeter-update")
        new = [test for test in sound if test not in before]
        if new:
            self._told.append(f"not in {self._file.name} yet: {len(new)} tests, such as {new[0]}")

    def _tolerance(self) -> Decimal:
        config = self._config
        given = config.getoption("agentmeter_tolerance") or config.getini("agentmeter_tolerance")
        return exact(given, "agentmeter_tolerance")

    def _fail(self, session: pytest.Session, said: str) -> None:
        self._told.append(said)
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show what was asked for."""
        if self._config.getoption("agentmeter"):
            terminalreporter.section("what the tests cost")
            for line in self._table():
                terminalreporter.write_line(line)
        if self._told:
            terminalreporter.section("cost snapshot")
            for line in self._told:
                terminalreporter.write_line(line)

    def _table(self) -> Iterator[str]:
        if not self._tests:
            yield "nothing was metered"
            return
        ordered = sorted(self._tests.items(), key=lambda one: (-_usd(one[1]), one[0]))
        for test, measures in ordered[:_SHOWN]:
            yield _line(measures, test, at_least=test in self._at_least)
        if len(ordered) > _SHOWN:
            rest = _summed([measures for _, measures in ordered[_SHOWN:]])
            yield _line(rest, f"{len(ordered) - _SHOWN} more tests", at_least=False)
        total = _summed(list(self._tests.values()))
        yield _line(total, f"in all, {len(ordered)} tests", at_least=bool(self._at_least))
        if self._at_least:
            yield f"≥: of {len(self._at_least)} tests a part has no price or was cut off"


def _usd(measures: dict[str, Decimal]) -> Decimal:
    return measures.get("USD", Decimal(0))


def _summed(parts: list[dict[str, Decimal]]) -> dict[str, Decimal]:
    names = sorted({name for part in parts for name in part})
    found = {name: [part.get(name, Decimal(0)) for part in parts] for name in names}
    return {name: reduce(CONTEXT.add, values) for name, values in found.items()}


def _line(measures: dict[str, Decimal], test: str, *, at_least: bool) -> str:
    cost = f"{'≥ ' if at_least else ''}${plain(_usd(measures))}"
    others = [f"{plain(value)} {name}" for name, value in measures.items()
              if name not in ("USD", "tokens", "calls")]  # fmt: skip
    cost = " + ".join([cost, *others])
    return f"{cost:>16}  {measures['tokens']:>9,} tokens  {measures['calls']:>5,} calls  {test}"


def pytest_configure(config: pytest.Config) -> None:
    """Add up where the run is controlled, which is not in its workers."""
    known, name = config.pluginmanager, "agentmeter-costs"
    if not hasattr(config, "workerinput") and not known.has_plugin(name):
        known.register(Costs(config), name)
