"""The pytest plugin: limits, the summary, snapshots, on a real client that asks a real server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Context, Decimal, localcontext
from pathlib import Path

import pytest

import agentmeter as am
from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.ledger import Ledger
from agentmeter.testing import Kept, assert_cost_below
from agentmeter.testing.pytest_costs import _summed
from agentmeter.testing.snapshot import dearer, read_snapshot

pytest_plugins = ["pytester"]

# gpt-5: 1.25 dollars a million in, 10 a million out; 1000 in and 100 out are $0.00225
PROJECT = """
import pytest
from openai import OpenAI
from agentmeter.testing import ModelServer, Reply

@pytest.fixture(scope="session")
def ask():
    with ModelServer(default=Reply(input=1000, output=100)) as server:
        with OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
            def ask(model="gpt-5"):
                messages = [{"role": "user", "content": "hi"}]
                client.chat.completions.create(model=model, messages=messages)
            yield ask
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(PROJECT)
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")
    return pytester


def run(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    return project.runpytest_subprocess(*options)


TWO = """
import pytest

def test_once(ask):
    ask()

def test_twice(ask):
    ask()
    ask()

def test_nothing():
    pass
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "with workers"])
def test_the_summary_has_every_test_and_their_sum(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """The dearest first, with tokens and calls; the sum below, also where others ran them."""
    project.makepyfile(test_it=TWO)
    done = run(project, "--agentmeter", *workers)
    assert done.ret == 0
    done.stdout.fnmatch_lines([
        "*what the tests cost*",
        "*$0.0045      2,200 tokens      2 calls  test_it.py::test_twice",
        "*$0.00225      1,100 tokens      1 calls  test_it.py::test_once",
        "*$0.00675      3,300 tokens      3 calls  in all, 2 tests",
    ])  # fmt: skip
    assert not (project.path / ".agentmeter").exists()


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ('max_usd="0.00225", max_tokens=1100, max_calls=1', None),
        ('max_usd="0.00224"', "cost: $0.00225 is more than $0.00224"),
        ("max_tokens=1099", "cost: 1,100 tokens are more than 1,099"),
        ("max_calls=0", "cost: 1 calls are more than 0"),
        ("max_euro=3", "mark agentmeter has no 'max_euro'; it has max_usd, max_tokens, max_calls"),
        ("", "mark agentmeter takes limits by name; it has max_usd, max_tokens, max_calls"),
    ],
)
def test_a_mark_limits_a_test(project: pytest.Pytester, mark: str, said: str | None) -> None:
    """At the limit it passes, above it fails, in one sentence and without a traceback."""
    project.makepyfile(
        f"import pytest\n@pytest.mark.agentmeter({mark})\ndef test_it(ask):\n    ask()\n"
    )
    done = run(project, "-rf")
    assert done.ret == (0 if said is None else 1)
    if said is not None:
        done.stdout.fnmatch_lines([f"*{said}"])
        done.stdout.no_fnmatch_line("*Traceback*")


def test_an_unknown_price_is_no_pass(project: pytest.Pytester) -> None:
    """A model that nobody knows the price of cannot be shown to cost less than a limit."""
    project.makepyfile(
        "import pytest\n@pytest.mark.agentmeter(max_usd=1)\ndef test_it(ask):\n    ask('nobody-1')\n"
    )
    done = run(project, "--agentmeter")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*cost: $0 is not all: no price for nobody-1: *", "*≥ $0 *"])


def test_the_fixture_is_a_context_manager(project: pytest.Pytester) -> None:
    """It limits a part of a test, whatever came before it; nobody has to switch anything on."""
    project.makepyfile("""
        import pytest

        def test_it(ask, assert_cost_below):
            ask()
            with assert_cost_below(usd="0.00225", calls=1) as metering:
                ask()
            assert metering.cost().tokens == 1100
            with pytest.raises(AssertionError, match="2 calls are more than 1"):
                with assert_cost_below(calls=1):
                    ask()
                    ask()
    """)
    assert run(project).ret == 0


def test_a_regression_fails_the_run_with_a_difference_to_read(project: pytest.Pytester) -> None:
    """Written once, equal at first; a call more is told by test and measure, and fails the run."""
    project.makepyfile(test_it=TWO)
    written = run(project, "--agentmeter-update")
    assert written.ret == 0
    written.stdout.fnmatch_lines(["*2 tests written to test-costs.json"])
    assert json.loads((project.path / "test-costs.json").read_text()) == {
        "version": 1,
        "tests": {
            "test_it.py::test_once": {"USD": "0.00225", "tokens": 1100, "calls": 1},
            "test_it.py::test_twice": {"USD": "0.0045", "tokens": 2200, "calls": 2},
        },
    }
    equal = run(project, "--agentmeter")
    assert equal.ret == 0
    equal.stdout.no_fnmatch_line("*cost snapshot*")
    project.makepyfile(test_it=TWO.replace("    ask()\n    ask()\n", "    ask()\n" * 3))
    grown = run(project, "--agentmeter", "-n", "2")
    assert grown.ret == 1
    grown.stdout.fnmatch_lines([
        "dearer than in test-costs.json, by more than 10 %:",
        "test_it.py::test_twice",
        "         USD  0.0045 → 0.00675  +50.0 %",
        "      tokens  2200 → 3300  +50.0 %",
        "       calls  2 → 3  +50.0 %",
        "if that is meant: --agentmeter-update",
    ])  # fmt: skip
    assert run(project, "--agentmeter", "--agentmeter-tolerance=50").ret == 0


def test_a_test_that_is_new_or_fails_is_no_regression(project: pytest.Pytester) -> None:
    """It is told of, and written at the next update; what was not run stays in the file."""
    project.makepyfile(test_it=TWO)
    assert run(project, "--agentmeter-update", "-k", "once").ret == 0
    told = run(project, "--agentmeter")
    assert told.ret == 0
    told.stdout.fnmatch_lines(["not in test-costs.json yet: 1 tests, such as *::test_twice"])
    project.makepyfile(
        test_it=TWO.replace("def test_twice(ask):", "def test_twice(ask):\n    assert 0")
    )
    assert run(project, "--agentmeter-update").ret == 1
    assert set(read_snapshot(project.path / "test-costs.json")) == {"test_it.py::test_once"}


def test_a_snapshot_that_cannot_be_read_is_named(project: pytest.Pytester) -> None:
    """The run fails, and says which file it is and what to do."""
    project.makepyfile(test_it=TWO)
    (project.path / "test-costs.json").write_text('{"version": 9, "tests": {}}')
    done = run(project, "--agentmeter")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*test-costs.json: no snapshot of costs (version 9, *"])


def test_nothing_is_loaded_where_nobody_asks(project: pytest.Pytester) -> None:
    """A run without the option and the mark does not even import agentmeter."""
    project.makeconftest("")
    project.makepyfile("""
        import sys

        def test_it():
            assert "agentmeter_pytest" in sys.modules
            assert not [one for one in sys.modules if one.split(".")[0] == "agentmeter"]
    """)
    command = [sys.executable, "-m", "pytest", "-q"]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def quiet(meter: Kept) -> Iterator[None]:
    yield
    assert (Ledger.watchers, Ledger.stray_watchers) == ((), ())


def test_everything_metered_inside_counts(quiet: None) -> None:
    """Requests, stray calls and charges, of a request from outside only what comes inside."""
    with am.request("ask"):
        am.charge("before", usd="5")
        with assert_cost_below(usd="3", tokens=7) as metering:
            am.charge("x", usd="1")
            with am.request("own", new=True):
                am.charge("y", usd="1")
            with am.call(provider="openai", model="gpt-5") as call:
                call.record(am.Usage(input=7))
        with assert_cost_below(usd=0):
            pass
    with assert_cost_below(usd="1"):
        am.charge("z", usd="1")
    assert metering.cost().usd == Decimal("2.00000875")


def test_an_error_from_inside_goes_on(quiet: None) -> None:
    """It is not hidden behind what the work has cost until then."""
    with pytest.raises(KeyError), assert_cost_below(usd=0):
        am.charge("x", usd="1")
        raise KeyError


def test_a_limit_that_cannot_be_is_refused(quiet: None) -> None:
    """No limit, or a float: before anything is run."""
    with pytest.raises(TypeError, match="needs a limit"), assert_cost_below():
        pass
    with pytest.raises(TypeError, match="float"), assert_cost_below(usd=0.1):  # type: ignore[arg-type]
        pass


def test_sums_of_the_summary_do_not_depend_on_the_ambient_decimals() -> None:
    """A tested application may have made them coarse."""
    with localcontext(Context(prec=1)):
        total = _summed([{"USD": Decimal("1.25")}, {"USD": Decimal("2.5"), "tokens": Decimal(7)}])
    assert total == {"USD": Decimal("3.75"), "tokens": Decimal(7)}


def test_growth_up_to_the_tolerance_is_none(tmp_path: Path) -> None:
    """Exactly ten percent more is not more than ten percent; from nothing, anything is."""
    before = {"a": {"USD": Decimal(10), "calls": Decimal(0)}}
    at = {"a": {"USD": Decimal(11), "calls": Decimal(1)}, "new": {"USD": Decimal(99)}}
    (change,) = dearer(before, at, Decimal(10))
    assert (change.measure, str(change).split()) == ("calls", ["calls", "0", "→", "1"])
    with pytest.raises(ConfigurationError, match="no snapshot of costs"):
        (tmp_path / "x").write_text("[")
        read_snapshot(tmp_path / "x")
