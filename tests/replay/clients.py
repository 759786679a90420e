"""The clients that recorded requests are made with again, as a table: which paths, how, and what
the recorded body itself says was used. OpenAI's and Anthropic's are here.
"""

from collections.abc import Callable, Mapping
from typing import Any

import anthropic
import openai

from tests.replay.bedrock import BEDROCK
from tests.replay.cassettes import Exchange
from tests.replay.client import Client, Truth, transport
from tests.replay.google import GOOGLE
from tests.replay.others import COHERE, MISTRAL


def client_for(exchange: Exchange) -> tuple[Client, str] | None:
    """Who sends such a request, and the end of its path; ``None`` for nobody here."""
    if exchange.method != "POST" or exchange.asked is None:
        return None
    for client in CLIENTS:
        for end in client.methods:
            if exchange.path.endswith(end) and client.host in exchange.url:
                return client, end
    return None


def send(client: Client, end: str, exchange: Exchange) -> None:
    """Make the recorded request with the real client, answered by the recorded response."""
    base = exchange.path.removesuffix(end)
    caller = client.make(base, exchange, transport(client, exchange))
    try:
        method = client.methods[end](caller, exchange)
        made = method(**client.arguments(method, exchange))
        if hasattr(made, "__next__") or (exchange.asked or {}).get("stream"):
            for _ in made:
                pass
    except Exception:  # what a client makes of an answer is its own affair
        pass
    finally:
        caller.close()


def _openai_says(said: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    inner = document.get("response")
    usage = (inner if isinstance(inner, dict) else document).get("usage")
    return dict(usage or said)


def _openai_counts(usage: Mapping[str, Any]) -> Truth:
    def detail(whole: str, name: str) -> int:
        return int((usage.get(f"{whole}_tokens_details") or {}).get(name) or 0)

    inward = "prompt" if "prompt_tokens" in usage else "input"
    outward = "completion" if "completion_tokens" in usage else "output"
    return (
        usage.get(f"{inward}_tokens") or 0,
        detail(inward, "cached_tokens"),
        detail(inward, "cache_write_tokens"),
        usage.get(f"{outward}_tokens") or 0,
        detail(outward, "reasoning_tokens"),
    )


def _anthropic_says(said: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    inner = document.get("message")
    usage = (inner if isinstance(inner, dict) else document).get("usage") or {}
    return {**said, **{name: value for name, value in usage.items() if value is not None}}


def _anthropic_counts(usage: Mapping[str, Any]) -> Truth:
    read = usage.get("cache_read_input_tokens") or 0
    written = usage.get("cache_creation_input_tokens") or 0
    thought = (usage.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    beside = usage.get("input_tokens") or 0
    return (beside + read + written, read, written, usage.get("output_tokens") or 0, thought)


def _messages(client: Any, exchange: Exchange) -> Callable[..., Any]:
    beta = "beta=true" in exchange.url
    return client.beta.messages.create if beta else client.messages.create


def _make_openai(base: str, _: Exchange, transport: Any) -> Any:
    return openai.OpenAI(api_key="replay", base_url=base, http_client=transport, max_retries=0)


def _make_anthropic(base: str, _: Exchange, transport: Any) -> Any:
    return anthropic.Anthropic(
        api_key="replay", base_url=base, http_client=transport, max_retries=0, timeout=600
    )


CLIENTS = (
    MISTRAL,
    COHERE,
    GOOGLE,
    BEDROCK,
    Client(
        methods={
            "/chat/completions": lambda client, _: client.chat.completions.create,
            "/responses": lambda client, _: client.responses.create,
            "/embeddings": lambda client, _: client.embeddings.create,
            "/images/generations": lambda client, _: client.images.generate,
            "/completions": lambda client, _: client.completions.create,
        },
        make=_make_openai,
        truth=_openai_says,
        counted=_openai_counts,
        sends="openai._base_client",
    ),
    Client(
        methods={"/v1/messages": _messages},
        make=_make_anthropic,
        truth=_anthropic_says,
        counted=_anthropic_counts,
        sends="anthropic._base_client",
    ),
)


METERED = ("anthropic", "bedrock", "cohere", "google-genai", "mistralai", "openai")
"""The integrations that meter them."""


def truth(client: Client, exchange: Exchange) -> Truth | None:
    """What the recorded body itself says was used; ``None`` where it says nothing."""
    if exchange.status >= 400:
        return (0, 0, 0, 0, 0)
    said = client.truth({}, dict(client.around(exchange)))
    for document in exchange.documents():
        said = client.truth(said, document)
    return client.counted(said) if said else None


__all__ = ["METERED", "Client", "Truth", "client_for", "send", "truth"]
