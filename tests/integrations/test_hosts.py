"""Who serves at a base URL, and what it means for the price."""

import openai
import pytest

import agentmeter as am
from agentmeter.integration import STATE, Served, served_by
from agentmeter.testing import Kept, ModelServer, Reply


def openais(model: str) -> bool:
    return model.startswith("gpt-4")


KNOWN = {
    "https://api.openai.com/v1": Served("openai"),
    "https://eu.api.openai.com/v1/": Served("openai", "eu"),
    "https://acme.openai.azure.com/openai/deployments/gpt-4o": Served("azure"),
    "https://acme.services.ai.azure.com/models": Served("azure"),
    "https://openrouter.ai/api/v1": Served("openrouter"),
    "https://api.groq.com/openai/v1": Served("groq"),
    "https://api.deepseek.com": Served("deepseek"),
    "https://api.together.xyz/v1": Served("together"),
    "https://api.mistral.ai/v1": Served("mistral"),
    "https://api.x.ai/v1": Served("x-ai"),
    "https://api.perplexity.ai": Served("perplexity"),
    "https://generativelanguage.googleapis.com/v1beta/openai/": Served("google"),
    "https://us-central1-aiplatform.googleapis.com/v1/x": Served("google", "us-central1"),
    "https://aiplatform.googleapis.com/v1/x": Served("google"),
    "https://aiplatform.eu.rep.googleapis.com/v1": Served("google", "eu"),
    "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1": Served("aws", "eu-west-1"),
    "https://bedrock-mantle.us-east-2.api.aws/v1": Served("aws", "us-east-2"),
}


@pytest.mark.parametrize("url", KNOWN)
def test_a_known_host_is_its_provider(url: str) -> None:
    """The host names the provider, whatever the model is called, and the region where it says so."""
    assert served_by(url, "openai", "gpt-4o", openais) == KNOWN[url]
    assert served_by(url, "openai", "llama-4", openais) == KNOWN[url]


@pytest.mark.parametrize(
    ("url", "model", "provider"),
    [
        ("http://localhost:11434/v1", "qwen3:8b", "ollama"),
        ("http://127.0.0.1:8000/v1", "meta-llama/Llama-4", "vllm"),
        ("http://[::1]:8080/v1", "ggml-org/gemma", "llama.cpp"),
        ("http://localhost:1234/v1", "qwen3", "lmstudio"),
        ("http://localhost:9999/v1", "qwen3", "localhost"),
        ("http://localhost:8000/v1", "gpt-4o", "openai"),
        ("https://llm.acme.internal/v1", "gpt-4o", "openai"),
        ("https://llm.acme.internal:8443/v1", "qwen3", "llm.acme.internal"),
        ("https://user:secret@llm.acme.internal/v1", "qwen3", "llm.acme.internal"),
        ("https://notx.ai/v1", "grok-4", "notx.ai"),
        ("https://openai.com.evil.example/v1", "qwen3", "openai.com.evil.example"),
    ],
)
def test_an_unknown_host_is_a_gateway_or_itself(url: str, model: str, provider: str) -> None:
    """A model of the protocol's owner is behind a gateway; any other belongs to the host."""
    assert served_by(url, "openai", model, openais) == Served(provider)


@pytest.mark.parametrize(
    ("url", "served"),
    [
        ("https://llm.corp.example/v1", Served("openai")),
        ("https://eu.llm.corp.example:8443/v1", Served("openai")),
        ("https://notllm.corp.example/v1", Served("notllm.corp.example")),
        ("http://localhost:9999/v1", Served("vllm")),
        ("http://localhost:9998/v1", Served("localhost")),
        ("https://bedrock-mantle.us-east-2.api.aws/v1", Served("azure", "us-east-2")),
    ],
)
def test_a_host_that_the_application_names_is_that_provider(
    url: str, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own table goes over ours: the host and what is below it, or one port alone."""
    named = {"llm.corp.example": "openai", "localhost:9999": "vllm", "api.aws": "azure"}
    monkeypatch.setattr(STATE, "providers", named)
    assert served_by(url, "openai", "qwen3", openais) == served


def test_a_model_at_a_host_of_ones_own_is_not_priced_as_openais(meter: Kept) -> None:
    """An open model on one's own machine has no price, and the report says whose it is."""
    am.instrument("openai")
    with (
        ModelServer(Reply(input=1000, output=10)) as server,
        openai.OpenAI(base_url=server.base_url, api_key="test") as client,
    ):
        client.chat.completions.create(model="qwen3:8b", messages=[])
    am.uninstrument()
    report = meter.report().to_json()["unattributed"]
    assert report["usage"] == {"input": 1000, "output": 10}
    assert report["cost"]["amount"] == "0"
    assert {one["meter"] for one in report["unpriced"]} == {"input", "output"}
    call = meter.records[-1].call
    assert call is not None
    assert call.provider == "localhost"
