"""Amazon Bedrock's runtime, by boto3."""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import boto3
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

from tests.replay.cassettes import Exchange
from tests.replay.client import Client, Truth

_METRICS = "amazon-bedrock-invocationMetrics"
_NAMES: tuple[tuple[str, ...], ...] = (
    (
        *("inputTokens", "input_tokens", "inputTokenCount", "prompt_token_count"),
        *("inputTextTokenCount", "x-amzn-bedrock-input-token-count"),
    ),
    (
        *("cacheReadInputTokens", "cacheReadInputTokenCount", "cache_read_input_tokens"),
        "x-amzn-bedrock-cache-read-input-token-count",
    ),
    (
        *("cacheWriteInputTokens", "cacheWriteInputTokenCount", "cache_creation_input_tokens"),
        "x-amzn-bedrock-cache-write-input-token-count",
    ),
    (
        *("outputTokens", "output_tokens", "outputTokenCount", "generation_token_count"),
        *("tokenCount", "x-amzn-bedrock-output-token-count"),
    ),
)
"""Input, cached, written and output, as every family calls them."""


class _Bedrock:
    """A client whose requests are answered before they are sent."""

    def __init__(self, base: str, exchange: Exchange) -> None:
        region = re.search(r"bedrock-runtime\.([a-z0-9-]+)\.", base)
        self.client = boto3.client(
            "bedrock-runtime",
            region_name=region[1] if region else "us-east-1",
            aws_access_key_id="replay",
            aws_secret_access_key="replay",
        )
        self._exchange = exchange
        self.client.meta.events.register("before-send.bedrock-runtime.*", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        body = io.BytesIO(self._exchange.answer)
        headers = {**self._exchange.answer_headers, "content-type": self._exchange.kind}
        for name in ("content-encoding", "content-length", "transfer-encoding"):
            headers.pop(name, None)
        raw = HTTPResponse(body, headers, self._exchange.status, preload_content=False)
        return AWSResponse(request.url, self._exchange.status, headers, raw)

    def close(self) -> None:
        self.client.close()


def _arguments(_: Callable[..., Any], exchange: Exchange) -> dict[str, Any]:
    path, _, end = exchange.path.rpartition("/")
    model = unquote(path.rpartition("/model/")[2])
    if end.startswith("converse"):
        return {**(exchange.asked or {}), "modelId": model}
    return {"body": exchange.body, "modelId": model}


def _read(name: str) -> Callable[[_Bedrock, Exchange], Callable[..., Any]]:
    """A method, and what it answers read to the end."""

    def find(caller: _Bedrock, _: Exchange) -> Callable[..., Any]:
        def send(**arguments: Any) -> Any:
            answer = getattr(caller.client, name)(**arguments)
            stream = answer.get("stream", answer.get("body"))
            return list(stream) if hasattr(stream, "__iter__") else answer

        return send

    return find


def _says(said: Mapping[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """Of all places where a document may count, the later over the earlier."""
    places = [document, *(document.get("results") or ()), document.get(_METRICS)]
    holders = (document, document.get("message"), document.get("metadata"))
    places.extend(one.get("usage") for one in holders if isinstance(one, dict))
    known = {name for names in _NAMES for name in names}
    found = [place for place in places if isinstance(place, dict)]
    told = {k: v for place in found for k, v in place.items() if k in known and v is not None}
    return {**said, **told}


def _counts(usage: Mapping[str, Any]) -> Truth:
    new, read, written, output = (
        next((int(usage[name]) for name in names if usage.get(name) is not None), 0)
        for names in _NAMES
    )
    return (new + read + written, read, written, output, 0)


BEDROCK = Client(
    methods={
        "/converse": _read("converse"),
        "/converse-stream": _read("converse_stream"),
        "/invoke": _read("invoke_model"),
        "/invoke-with-response-stream": _read("invoke_model_with_response_stream"),
    },
    make=lambda base, exchange, _: _Bedrock(base, exchange),
    truth=_says,
    counted=_counts,
    host="bedrock-runtime",
    arguments=_arguments,
    around=lambda exchange: exchange.answer_headers,
)
