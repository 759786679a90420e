"""One choke point: where the client sends a request and reads the answer's head, sync and async.

It stands below automatic function calling, chats and continued streams, so that whatever is billed
passes it once. Its tries are another pair of methods, called by the client's own retrying.
"""

import copy
from importlib import import_module
from json import loads
from typing import Any

from agentmeter.integration import (
    FAULTS,
    NO_OUTPUT,
    Endpoint,
    Exchange,
    Patches,
    Status,
    begin,
    begin_async,
    current_exchange,
    served_by,
    watched,
    watched_async,
)
from agentmeter_google_genai.batches import read, seen
from agentmeter_google_genai.bounds import CONTENT
from agentmeter_google_genai.content import (
    ContentStream,
    count_input,
    embedding_facts,
    facts,
    image_facts,
    texts,
)
from agentmeter_google_genai.generated import Generated
from agentmeter_google_genai.interactions import Interactions
from agentmeter_google_genai.live import Sessions

_CONTENT = Endpoint(
    operation="generate_content",
    facts=facts,
    texts=texts,
    accumulator=lambda exchange: ContentStream(),
    count_input=count_input,
    shape="google.generate_content",
    bounds=CONTENT,
)
_EMBEDDINGS = Endpoint(
    operation="embeddings", facts=embedding_facts, count_input=count_input, bounds=NO_OUTPUT
)
_IMAGES = Endpoint(operation="generate_content", facts=image_facts)
_ENDPOINTS = {
    "generateContent": _CONTENT,
    "streamGenerateContent": _CONTENT,
    "embedContent": _EMBEDDINGS,
    "batchEmbedContents": _EMBEDDINGS,
    "predict": _EMBEDDINGS,
}
"""By the verb at the end of the path."""

_MODELS = ("gemini", "gemma", "imagen", "text-embedding", "embedding-", "learnlm", "veo")
PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    client = import_module("google.genai._api_client").BaseApiClient
    try:
        PATCHES.replace(client, "_request", _request)
        PATCHES.replace(client, "_async_request", _async_request)
        PATCHES.replace(client, "_request_once", _once)
        PATCHES.replace(client, "_async_request_once", _async_once)
        for name, make in (("download_file", _download), ("async_download_file", _async_download)):
            if name in vars(client):
                PATCHES.replace(client, name, make)
        _SESSIONS.replace(PATCHES, import_module("google.genai.live"))
        _INTERACTIONS.apply()
        _GENERATED.apply()
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put every patched method back."""
    PATCHES.undo()
    _GENERATED.undo()


def _request(original: Any) -> Any:
    def request(client: Any, http_request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange, http_request = _begun(client, http_request)
        if exchange is None:
            response = original(client, http_request, *args, **kwargs)
            _seen(client, http_request, response)
            return response
        with exchange.sending():
            response = original(client, http_request, *args, **kwargs)
        return _watched(exchange, response)

    return request


def _async_request(original: Any) -> Any:
    async def request(client: Any, http_request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange, http_request = await _begun_async(client, http_request)
        if exchange is None:
            response = await original(client, http_request, *args, **kwargs)
            _seen(client, http_request, response)
            return response
        with exchange.sending():
            response = await original(client, http_request, *args, **kwargs)
        return _watched(exchange, response)

    return request


def _begun(client: Any, http_request: Any) -> tuple[Exchange | None, Any]:
    """The exchange of a request that bills, and the request to send."""
    asked = _asked(client, http_request)
    exchange = begin(**asked) if asked is not None else None
    return exchange, _to_send(exchange, http_request)


async def _begun_async(client: Any, http_request: Any) -> tuple[Exchange | None, Any]:
    asked = _asked(client, http_request)
    exchange = await begin_async(**asked) if asked is not None else None
    return exchange, _to_send(exchange, http_request)


def _asked(client: Any, http_request: Any) -> dict[str, Any] | None:
    """What ``begin`` takes for a request; ``None`` for one that bills nothing."""
    if not PATCHES.on:
        return None
    try:
        return _read(client, http_request)
    except Exception as error:
        FAULTS.count("google-genai request", error)
        return None


def _to_send(exchange: Exchange | None, http_request: Any) -> Any:
    if exchange is None:
        return http_request
    try:
        body = exchange.body_to_send(http_request.data or {})
        if body is not None:
            http_request = copy.copy(http_request)
            http_request.data = body
    except Exception as error:
        FAULTS.count("google-genai request", error)
    return http_request


def _read(client: Any, http_request: Any) -> dict[str, Any] | None:
    named, _, verb = http_request.url.partition("?")[0].rpartition(":")
    endpoint = _ENDPOINTS.get(verb)
    if endpoint is None:
        return None
    model = named.rpartition("/")[2]
    if model.startswith("imagen"):
        endpoint = _IMAGES
    provider, region = _served(client, http_request.url, model)
    return {
        "endpoint": endpoint,
        "body": http_request.data or {},
        "provider": provider,
        "model": model,
        "region": region,
        "stream": verb == "streamGenerateContent",
    }


def _served(client: Any, url: str, model: str) -> tuple[str, str | None]:
    if client.vertexai:
        return "google", client.location
    served = served_by(url, "google", model, lambda name: name.startswith(_MODELS))
    return served.provider, served.region


def _served_at(url: str, model: str) -> dict[str, Any]:
    served = served_by(url, "google", model, lambda name: name.startswith(_MODELS))
    return {"provider": served.provider, "region": served.region}


def _place(client: Any, model: str = "gemini") -> dict[str, Any]:
    base_url = client._http_options.base_url or ""
    provider, region = _served(client, base_url, model)
    return {"provider": provider, "region": region}


def _seen(client: Any, http_request: Any, response: Any) -> None:
    if PATCHES.on:
        seen(http_request, response, _place(client))


def _download(original: Any) -> Any:
    def download_file(client: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        content = original(client, path, *args, **kwargs)
        if PATCHES.on:
            read(path, content, _place(client))
        return content

    return download_file


def _async_download(original: Any) -> Any:
    async def download_file(client: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        content = await original(client, path, *args, **kwargs)
        if PATCHES.on:
            read(path, content, _place(client))
        return content

    return download_file


_SESSIONS = Sessions(_place)
_INTERACTIONS = Interactions(PATCHES, _served_at)
_GENERATED = Generated(_served_at)


def _watched(exchange: Exchange, response: Any) -> Any:
    """``response`` for the caller; should watching fail, the call still ends, as unknown."""
    try:
        if isinstance(response.response_stream, list):
            body = response.response_stream[0] if response.response_stream else ""
            exchange.answered(loads(body))
        else:
            _watch(exchange, response)
    except Exception as error:
        FAULTS.count("google-genai response", error)
        exchange.ended(Status.OK)
    return response


def _watch(exchange: Exchange, response: Any) -> None:
    """Follow what this one response yields, in whichever of its two ways it is read."""
    segments, async_segments = response.segments, response.async_segments
    response.segments = lambda: watched(exchange, segments())
    response.async_segments = lambda: watched_async(exchange, async_segments())


def _once(original: Any) -> Any:
    def once(*args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange()
        if exchange is None:
            return original(*args, **kwargs)
        exchange.attempts.begin()
        try:
            response = original(*args, **kwargs)
        except BaseException as error:
            _failed(exchange, error)
            raise
        exchange.attempts.end(200)
        return response

    return once


def _async_once(original: Any) -> Any:
    async def once(*args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange()
        if exchange is None:
            return await original(*args, **kwargs)
        exchange.attempts.begin()
        try:
            response = await original(*args, **kwargs)
        except BaseException as error:
            _failed(exchange, error)
            raise
        exchange.attempts.end(200)
        return response

    return once


def _failed(exchange: Exchange, error: BaseException) -> None:
    code = getattr(error, "code", None)
    if isinstance(code, int):
        exchange.attempts.end(code)
    else:
        exchange.attempts.failed(error)
