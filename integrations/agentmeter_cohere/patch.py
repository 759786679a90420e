"""The methods of the client's raw classes, which its others call; and its tries, further down."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from agentmeter.integration import (
    NO_OUTPUT,
    Endpoint,
    Exchange,
    MeteredMethods,
    Patches,
    chat_bounds,
    current_exchange,
    served_by,
    watched,
    watched_async,
)
from agentmeter_cohere.answers import ChatStream, count_input, facts, input_facts, texts

_CHAT = Endpoint(
    operation="chat",
    facts=facts,
    texts=texts,
    accumulator=lambda exchange: ChatStream(),
    count_input=count_input,
    shape="openai.chat",
    bounds=chat_bounds("max_tokens"),
)
_GENERATE = Endpoint(
    operation="text_completion",
    facts=facts,
    texts=texts,
    accumulator=lambda exchange: ChatStream(),
    count_input=count_input,
    bounds=chat_bounds("max_tokens", choices="num_generations"),
)
_EMBEDDINGS = Endpoint(
    operation="embeddings", facts=input_facts, count_input=count_input, bounds=NO_OUTPUT
)
_RERANK = Endpoint(operation="rerank", facts=facts, bounds=NO_OUTPUT)
_METHODS = {
    "chat": _CHAT,
    "generate": _GENERATE,
    "summarize": _GENERATE,
    "embed": _EMBEDDINGS,
    "rerank": _RERANK,
    "classify": _RERANK,
}
_STREAMS = {"chat_stream": _CHAT, "generate_stream": _GENERATE}
_CLASSES = (
    ("cohere.v2.raw_client", "RawV2Client"),
    ("cohere.raw_base_client", "RawBaseCohere"),
)
_MODELS = ("command", "embed-", "rerank-", "c4ai-", "aya-", "north-")
PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for module, name in _CLASSES:
            loaded = import_module(module)
            _replace(getattr(loaded, name), is_async=False)
            _replace(getattr(loaded, f"Async{name}"), is_async=True)
        _replace_tries(import_module("cohere.core.http_client"))
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def _replace(owner: type, *, is_async: bool) -> None:
    make = _METERED.asynchronous if is_async else _METERED.plain
    for name, endpoint in _METHODS.items():
        if name in vars(owner):
            PATCHES.replace(owner, name, make(endpoint))
    for name, endpoint in _STREAMS.items():
        if name in vars(owner):
            PATCHES.replace(owner, name, _METERED.managed(endpoint))


def _replace_tries(module: Any) -> None:
    PATCHES.replace(module.HttpClient, "request", _request)
    PATCHES.replace(module.AsyncHttpClient, "request", _async_request)
    PATCHES.replace(module, "_should_retry", _should_retry)


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    model = kwargs.get("model")
    named = model if isinstance(model, str) else None
    served = served_by(args[0]._client_wrapper.get_base_url(), "cohere", named, _is_coheres)
    place = {"provider": served.provider, "region": served.region}
    return {"body": kwargs, "model": named, **place}


def _is_coheres(model: str) -> bool:
    return model.startswith(_MODELS)


def _take(exchange: Exchange, result: Any) -> Any:
    data = result.data
    if hasattr(data, "__anext__"):
        exchange.scope.update(stream=True)
        result._data = watched_async(exchange, data)
    elif hasattr(data, "__next__"):
        exchange.scope.update(stream=True)
        result._data = watched(exchange, data)
    else:
        exchange.answered(data)
    return result


_METERED = MeteredMethods(library="cohere", patches=PATCHES, asked=_asked, take=_take)


def _begin_try(kwargs: Mapping[str, Any]) -> None:
    """A try; the client calls itself for another, and one without an answer is open until then."""
    exchange = current_exchange()
    if exchange is not None:
        error = sys.exc_info()[1]
        if kwargs.get("retries") and error is not None:
            exchange.attempts.failed(error)
        exchange.attempts.begin()


def _request(original: Any) -> Any:
    def request(*args: Any, **kwargs: Any) -> Any:
        _begin_try(kwargs)
        return original(*args, **kwargs)

    return request


def _async_request(original: Any) -> Any:
    async def request(*args: Any, **kwargs: Any) -> Any:
        _begin_try(kwargs)
        return await original(*args, **kwargs)

    return request


def _should_retry(original: Any) -> Any:
    """Asked of every answer: the try that brought it is over."""

    def should_retry(response: Any) -> Any:
        exchange = current_exchange()
        if exchange is not None:
            exchange.attempts.end(response.status_code)
        return original(response)

    return should_retry
