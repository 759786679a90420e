"""Gemini's API and Vertex AI, by google-genai."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from google import genai
from google.auth.credentials import AnonymousCredentials
from google.genai import types

from tests.replay.cassettes import Exchange
from tests.replay.client import Client, Truth

_OPTIONS = ("generationConfig", "generation_config")


def _make(base: str, exchange: Exchange, transport: Any) -> genai.Client:
    host = re.match(r"https?://[^/]+", base)
    options = types.HttpOptions(base_url=host[0] if host else base, httpx_client=transport)
    place = re.search(r"projects/([^/]+)/locations/([^/]+)", base)
    if place is None:
        return genai.Client(api_key="replay", vertexai=False, http_options=options)
    credentials = AnonymousCredentials()
    credentials.token = "replay"
    return genai.Client(
        vertexai=True,
        project=place[1],
        location=place[2],
        credentials=credentials,
        http_options=options,
    )


def _arguments(_: Callable[..., Any], exchange: Exchange) -> dict[str, Any]:
    body = dict(exchange.asked or {})
    model = exchange.path.rpartition("/")[2].partition(":")[0]
    if "requests" in body:
        return {"model": model, "contents": [one["content"] for one in body["requests"]]}
    contents = body.pop("contents", None) or body.pop("content", None)
    body.pop("model", None)
    config = {k: v for name in _OPTIONS for k, v in (body.pop(name, None) or {}).items()}
    return {"model": model, "contents": contents, "config": {**config, **body}}


def _says(said: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    return {**said, **(document.get("usageMetadata") or {})}


def _counts(usage: Mapping[str, Any]) -> Truth:
    def count(name: str) -> int:
        return int(usage.get(name) or 0)

    thoughts = count("thoughtsTokenCount")
    return (
        count("promptTokenCount") + count("toolUsePromptTokenCount"),
        count("cachedContentTokenCount"),
        0,
        count("candidatesTokenCount") + thoughts,
        thoughts,
    )


def _content(client: genai.Client, exchange: Exchange) -> Callable[..., Any]:
    """The client's method; a body that its types cannot say is sent as it is."""

    def send(**arguments: Any) -> Any:
        try:
            types.GenerateContentConfig(**arguments["config"])
        except (ValueError, AttributeError):
            path = re.sub(r"^https?://[^/]+/[^/]+/", "", exchange.path)
            return client._api_client.request("post", path, dict(exchange.asked or {}))
        return client.models.generate_content(**arguments)

    return send


GOOGLE = Client(
    methods={
        ":generateContent": _content,
        ":streamGenerateContent": lambda client, _: client.models.generate_content_stream,
        ":batchEmbedContents": lambda client, _: client.models.embed_content,
        ":embedContent": lambda client, _: client.models.embed_content,
    },
    make=_make,
    truth=_says,
    counted=_counts,
    sends="google.genai._api_client",
    arguments=_arguments,
)
