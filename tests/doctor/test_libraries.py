"""Which versions fit, and who else meters a library."""

import openai
import pytest
from openai.resources.chat.completions import Completions
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor as GenAIInstrumentor

from agentmeter.doctor.known import KNOWN
from agentmeter.doctor.libraries import fitting
from agentmeter.doctor.observers import observers, wrappers
from agentmeter_openai import OpenAIIntegration
from tests.integrations.results import integrations

RANGE = {"some-client": ">=2.0.0,<=3.54.0"}
OLD = "some-client {} is older than 2.0.0, the oldest that is supported"
LATER = "some-client {} is of a later series than 3.54.0, the newest tested"
NEWER = "some-client {} is newer than 3.54.0, the newest tested"


@pytest.mark.parametrize(
    ("version", "risk", "note"),
    [
        ("1.99", OLD, None),
        ("2.0.0b1", OLD, None),
        ("2.0.0", None, None),
        ("3.54.0", None, None),
        ("3.54.1", None, NEWER),
        ("3.100", None, NEWER),
        ("4.0.0", LATER, None),
    ],
)
def test_a_version_outside_of_what_is_tested_is_said(
    version: str, risk: str | None, note: str | None
) -> None:
    """Older, or of a later series, may lose tokens; newer in the same series is noted."""
    said = tuple(text and text.format(version) for text in (risk, note))
    assert fitting({"some-client": version}, RANGE) == said


def test_below_one_the_second_number_is_the_series() -> None:
    """As those who number so mean it."""
    assert fitting({"a": "0.8.0"}, {"a": ">=0.7.0,<=0.7.5"})[0] is not None
    assert fitting({"a": "0.7.9"}, {"a": ">=0.7.0,<=0.7.5"})[0] is None


def test_every_integration_says_which_versions_are_supported() -> None:
    """Each names a distribution and a lower bound; what is known without one is no integration."""
    plain = {"concurrency", "http"}
    supported = {
        name: getattr(one, "supported", None) or {}
        for name, one in integrations().items()
        if name not in plain
    }
    assert [name for name, some in supported.items() if not some] == []
    for some in supported.values():
        for specifier in some.values():
            assert specifier.startswith(">=")
    libraries = [one.library for one in KNOWN]
    assert len(set(libraries)) == len(libraries)
    assert {one.library for one in integrations().values()} & set(libraries) == set()


def test_who_wraps_a_client_in_this_process_is_found() -> None:
    """The wrappers of others are named, ours is none, and what was undone is gone."""
    one, other, ours = OpenAIInstrumentor(), GenAIInstrumentor(), OpenAIIntegration()
    installed = (
        "OpenInference (installed: openinference-instrumentation-openai)",
        "OpenTelemetry GenAI (installed: opentelemetry-instrumentation-genai-openai)",
    )
    assert observers().by_integration["openai"] == installed
    ours.instrument()
    one.instrument()
    other.instrument()
    try:
        assert set(wrappers(openai.OpenAI.request)) == {"OpenInference"}
        assert set(wrappers(Completions.create)) == {"OpenTelemetry GenAI"}
        assert set(observers().by_integration["openai"]) - set(installed) == {
            "OpenInference (wraps it now)",
            "OpenTelemetry GenAI (wraps it now)",
        }
    finally:
        other.uninstrument()
        one.uninstrument()
        ours.uninstrument()
    assert observers().by_integration["openai"] == installed


def test_a_library_that_tells_by_spans_of_its_own_is_said_to() -> None:
    """The anthropic client does, once there is a tracer provider."""
    assert observers().by_integration["anthropic"] == ("its own spans",)
