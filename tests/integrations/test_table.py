"""The page on integrations, the integrations, and what their tests came to say the same."""

from collections import Counter

import pytest
from tests.integrations.results import Results, integration_of, integrations, read_results
from tests.integrations.table import PAGE, Outcome, outcome_of, page

from agentmeter.doctor.libraries import bounds


def test_the_page_is_what_integrations_and_results_say() -> None:
    """After a change: ``python -m tests.integrations.table``."""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("name", sorted(integrations()))
def test_supported_versions_are_those_that_were_tested(name: str) -> None:
    """The oldest and the newest of ``supported`` are those of the results; a later run moves both."""
    supported = getattr(integrations()[name], "supported", {})
    known = outcome_of(name, supported, read_results())
    for distribution, versions in known.versions.items():
        assert bounds(supported[distribution]) == versions, distribution
    assert known.failed == 0


def test_versions_count_where_all_of_an_integrations_tests_passed() -> None:
    """Not where one failed, nor where the library is there for another's sake."""
    here = {"client": "2.0.0"}
    results = {
        "oldest": Results({"client": "1.9.0"}, {"a": Counter(passed=2)}, {"a": {"plain": True}}),
        "newest": Results({"client": "1.10.0"}, {"a": Counter(passed=1)}, {"a": {"plain": True}}),
        "failing": Results(here, {"a": Counter(passed=1, failed=1)}, {"a": {"plain": False}}),
        "another": Results({"client": "3.0.0"}, {"b": Counter(passed=1), "a": Counter(skipped=1)}),
    }
    assert outcome_of("a", ["client"], results) == Outcome(
        {"client": ("1.9.0", "1.10.0")}, 4, 1, {"plain": False}
    )


def test_a_test_is_about_the_integration_with_the_longest_fitting_name() -> None:
    """``test_openai_agents`` is not about openai, and ``test_hosts`` about none."""
    names = {"openai", "openai-agents", "mcp"}
    assert integration_of("test_openai_agents", names) == "openai-agents"
    assert integration_of("test_openai_raw", names) == "openai"
    assert integration_of("test_hosts", names) is None
