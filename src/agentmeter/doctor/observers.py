"""Who else meters a library here: by what is installed, and by what is wrapped in this process."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from agentmeter.integration import is_installed

_GROUP = "opentelemetry_instrumentor"
_TRACELOOP = (
    *("alephalpha", "anthropic", "bedrock", "cohere", "crewai", "google-generativeai", "groq"),
    *("haystack", "langchain", "llamaindex", "mcp", "mistralai", "ollama", "openai"),
    *("openai-agents", "replicate", "sagemaker", "together", "vertexai", "watsonx"),
)
"""What OpenLLMetry's instrumentations are called after ``opentelemetry-instrumentation-``."""

_TARGETS = {
    "aiobotocore": "bedrock",
    "aws-bedrock": "bedrock",
    "boto3": "bedrock",
    "botocore": "bedrock",
    "google-generativeai": "google-genai",
    "langgraph": "langchain",
    "llamaindex": "llama-index",
    "mistral": "mistralai",
    "openai-v2": "openai",
    "autogen-agentchat": "autogen",
}
"""What an instrumentation calls its library → our integration for it."""

_SUITES = {
    "logfire": "Logfire",
    "langfuse": "Langfuse",
    "traceloop-sdk": "OpenLLMetry",
    "openlit": "OpenLIT",
    "langsmith": "LangSmith",
    "braintrust": "Braintrust",
    "mlflow": "MLflow",
    "weave": "Weave",
    "agentops": "AgentOps",
    "ddtrace": "Datadog",
    "newrelic": "New Relic",
    "sentry-sdk": "Sentry",
}
"""Distributions that meter several libraries once they are told to."""

_PACKAGES = {
    "openinference": "OpenInference",
    "opentelemetry.instrumentation.genai": "OpenTelemetry GenAI",
    "opentelemetry.instrumentation.openai_v2": "OpenTelemetry",
    "opentelemetry.instrumentation": "OpenLLMetry",
    "opentelemetry.util.genai": "OpenTelemetry GenAI",
    "traceloop": "OpenLLMetry",
    "logfire": "Logfire",
    "langfuse": "Langfuse",
    "openlit": "OpenLIT",
    "langsmith": "LangSmith",
    "braintrust": "Braintrust",
    "mlflow": "MLflow",
    "weave": "Weave",
    "agentops": "AgentOps",
    "ddtrace": "Datadog",
    "newrelic": "New Relic",
    "sentry_sdk": "Sentry",
}
"""The package that a wrapper's function comes from → whose it is; the longest that fits."""

_CHOKE_POINTS = {
    "openai": (
        ("openai", "OpenAI", "request"),
        ("openai", "AsyncOpenAI", "request"),
        ("openai._base_client", "SyncAPIClient", "request"),
        ("openai.resources.chat.completions", "Completions", "create"),
        ("openai.resources.responses", "Responses", "create"),
    ),
    "anthropic": (
        ("anthropic._base_client", "SyncAPIClient", "request"),
        ("anthropic.resources.messages", "Messages", "create"),
        ("anthropic.resources.messages", "AsyncMessages", "create"),
    ),
    "google-genai": (("google.genai.models", "Models", "generate_content"),),
    "bedrock": (
        ("botocore.client", "BaseClient", "_make_api_call"),
        ("botocore.client", "ClientCreator", "create_client"),
    ),
    "mistralai": (("mistralai.client.chat", "Chat", "complete"),),
    "cohere": (("cohere", "ClientV2", "chat"), ("cohere", "Client", "chat")),
}
"""Where others wrap a client, by our integration for it; looked at where it is imported."""

_OWN_SPANS = {
    "anthropic": ("anthropic", "_tracing.py"),
    "pydantic-ai": ("pydantic_ai", "__init__.py"),
    "google-adk": ("google.adk", "__init__.py"),
    "strands": ("strands", "__init__.py"),
    "agent-framework": ("agent_framework", "__init__.py"),
}
"""Libraries that tell of their calls in spans of their own, and the file that says so."""


@dataclass(frozen=True, slots=True)
class Observers:
    """Who meters what, by our integration for it, and suites of which that cannot be told."""

    by_integration: Mapping[str, tuple[str, ...]]
    suites: Mapping[str, str]
    """Installed suites and their versions."""


def observers() -> Observers:
    """Look at entry points, distributions and, where a library is imported, at its methods."""
    found: dict[str, set[str]] = {}
    for integration, whose in (*_registered(), *_wrapping(), *_callbacks(), *_own_spans()):
        found.setdefault(integration, set()).add(whose)
    by_integration = {name: tuple(sorted(some)) for name, some in sorted(found.items())}
    return Observers(by_integration, _suites())


def _registered() -> Iterator[tuple[str, str]]:
    for point in entry_points(group=_GROUP):
        name = re.sub(r"[-_.]+", "-", point.dist.name).lower() if point.dist is not None else ""
        whose = _maker(name)
        if whose is not None:
            target = point.name.replace("_", "-")
            yield _TARGETS.get(target, target), f"{whose} (installed: {name})"


def _maker(distribution: str) -> str | None:
    if distribution.startswith("openinference-instrumentation-"):
        return "OpenInference"
    if distribution.startswith("opentelemetry-instrumentation-genai-"):
        return "OpenTelemetry GenAI"
    ending = distribution.removeprefix("opentelemetry-instrumentation-")
    if ending == distribution:
        return None
    if ending in _TRACELOOP:
        return "OpenLLMetry"
    return "OpenTelemetry" if ending in ("openai-v2", "google-genai") else None


def _wrapping() -> Iterator[tuple[str, str]]:
    for integration, points in _CHOKE_POINTS.items():
        for module, owner, method in points:
            function = getattr(getattr(sys.modules.get(module), owner, None), method, None)
            for whose in wrappers(function):
                yield integration, f"{whose} (wraps it now)"


def wrappers(function: Any) -> Iterator[str]:
    """Whose wrappers lie around a function, the outermost first; ours and its own are none."""
    for _ in range(20):
        if function is None:
            return
        wrapper = getattr(function, "_self_wrapper", function)
        module = str(getattr(wrapper, "__globals__", {}).get("__name__", ""))
        whose = _owner_of(module or type(wrapper).__module__)
        if whose is not None:
            yield whose
        function = getattr(function, "__wrapped__", None)


def _owner_of(module: str) -> str | None:
    fitting = [name for name in _PACKAGES if module == name or module.startswith(f"{name}.")]
    return _PACKAGES[max(fitting, key=len)] if fitting else None


def _callbacks() -> Iterator[tuple[str, str]]:
    """What is registered with litellm; a name, or an object of somebody's."""
    litellm = sys.modules.get("litellm")
    for listed in ("callbacks", "success_callback", "_async_success_callback"):
        for one in getattr(litellm, listed, ()):
            named = one if isinstance(one, str) else type(one).__module__
            if not named.startswith(("agentmeter", "litellm.")):
                yield "litellm", f"litellm's callback {named} (registered now)"


def _own_spans() -> Iterator[tuple[str, str]]:
    for integration, (library, file) in _OWN_SPANS.items():
        if is_installed(library):
            spec = find_spec(library)
            folders = (spec.submodule_search_locations if spec is not None else None) or ()
            if any(Path(folder, file).exists() for folder in folders):
                yield integration, "its own spans"


def _suites() -> dict[str, str]:
    found = {}
    for distribution, name in _SUITES.items():
        try:
            found[name] = version(distribution)
        except PackageNotFoundError:
            continue
    return found
