"""Mistral and Cohere, by their own clients."""

from collections.abc import Callable, Mapping
from typing import Any

import cohere
from mistralai.client import Mistral

from tests.replay.cassettes import Exchange
from tests.replay.client import Client, Truth, named


def _mistral_says(said: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    return dict(document.get("usage") or said)


def _mistral_counts(usage: Mapping[str, Any]) -> Truth:
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") or 0
    return (usage.get("prompt_tokens") or 0, cached, 0, usage.get("completion_tokens") or 0, 0)


class _Closable:
    """A client of Mistral's, which is left and not closed."""

    def __init__(self, base: str, transport: Any) -> None:
        self.client = Mistral(api_key="replay", server_url=base, client=transport)

    def close(self) -> None:
        self.client.__exit__(None, None, None)


def _chat(caller: _Closable, exchange: Exchange) -> Any:
    chat = caller.client.chat
    return chat.stream if (exchange.asked or {}).get("stream") else chat.complete


def _mistral_arguments(method: Callable[..., Any], exchange: Exchange) -> dict[str, Any]:
    body = exchange.asked or {}
    if "input" in body:
        return {"model": body.get("model"), "inputs": body["input"]}
    return named(method, exchange)


MISTRAL = Client(
    methods={
        "/v1/chat/completions": _chat,
        "/v1/embeddings": lambda caller, _: caller.client.embeddings.create,
    },
    make=lambda base, _, transport: _Closable(base, transport),
    truth=_mistral_says,
    counted=_mistral_counts,
    sends="mistralai.client.basesdk",
    arguments=_mistral_arguments,
    host="mistral.ai",
)


def _cohere_says(said: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """What is billed, in an answer or in the last event of either version."""
    for holder in (document, document.get("response"), document.get("delta")):
        held = holder if isinstance(holder, dict) else {}
        usage = held.get("usage") or held.get("meta") or {}
        if usage.get("billed_units"):
            return dict(usage["billed_units"])
    return dict(said)


def _cohere_counts(billed: Mapping[str, Any]) -> Truth:
    return (int(billed.get("input_tokens") or 0), 0, 0, int(billed.get("output_tokens") or 0), 0)


class _Cohere:
    """Clients of both versions."""

    def __init__(self, base: str, transport: Any) -> None:
        self.v1 = cohere.Client("replay", base_url=base, httpx_client=transport)
        self.v2 = cohere.ClientV2("replay", base_url=base, httpx_client=transport)
        self._transport = transport

    def close(self) -> None:
        self._transport.close()


def _versioned(version: str, name: str, stream: str | None = None) -> Any:
    def find(caller: _Cohere, exchange: Exchange) -> Any:
        streams = stream is not None and (exchange.asked or {}).get("stream")
        return getattr(getattr(caller, version), stream if streams else name)  # type: ignore[arg-type]

    return find


COHERE = Client(
    methods={
        "/v1/chat": _versioned("v1", "chat", "chat_stream"),
        "/v1/generate": _versioned("v1", "generate", "generate_stream"),
        "/v1/embed": _versioned("v1", "embed"),
        "/v1/rerank": _versioned("v1", "rerank"),
        "/v2/chat": _versioned("v2", "chat", "chat_stream"),
        "/v2/embed": _versioned("v2", "embed"),
        "/v2/rerank": _versioned("v2", "rerank"),
    },
    make=lambda base, _, transport: _Cohere(base, transport),
    truth=_cohere_says,
    counted=_cohere_counts,
    sends="cohere.core.http_client",
    host="cohere",
    arguments=lambda _, exchange: {
        k: v for k, v in (exchange.asked or {}).items() if k != "stream"
    },
)
