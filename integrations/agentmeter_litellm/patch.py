"""litellm's functions, replaced in the modules that hold them.

They call one another: an asynchronous one the plain one with a mark, retries and fallbacks the
same one again. The outermost is the call; a further one inside it is a try.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import wrapt

from agentmeter.integration import (
    FAULTS,
    Endpoint,
    Exchange,
    Patches,
    Status,
    begin,
    begin_async,
    canonical,
    current_exchange,
    guarded,
    served_by,
)
from agentmeter_litellm.answers import ResponseEvents
from agentmeter_litellm.endpoints import CHAT, FUNCTIONS, RESPONSES, TEXT
from agentmeter_litellm.watching import watched_chunks, watched_items

_MODULES = (
    "litellm",
    "litellm.main",
    "litellm.rerank_api.main",
    "litellm.responses.main",
    "litellm.images.main",
)
_MARKS = (
    *("acompletion", "atext_completion", "aembedding", "arerank", "_is_async"),
    *("aresponses", "aimg_generation", "async_call", "atranscription", "aspeech"),
)
_ENDPOINTS = tuple(endpoint for endpoint, _ in FUNCTIONS.values())
PATCHES = Patches()
_wanted = False
_waiting = False


def apply() -> None:
    """Patch now, or as soon as litellm is imported; does nothing if already patched."""
    global _wanted, _waiting
    _wanted = True
    if "litellm" in sys.modules:
        _patch()
    elif not _waiting:
        _waiting = True
        wrapt.register_post_import_hook(_imported, "litellm")


def undo() -> None:
    """Put every function back."""
    global _wanted
    _wanted = False
    PATCHES.undo()


def _imported(_: Any) -> None:
    if _wanted:
        _patch()


def _patch() -> None:
    if PATCHES.on:
        return
    try:
        for module in map(import_module, _MODULES):
            for name, (endpoint, given) in FUNCTIONS.items():
                if name in vars(module):
                    PATCHES.replace(module, name, partial(_plain, endpoint, given))
                if f"a{name}" in vars(module):
                    PATCHES.replace(module, f"a{name}", partial(_asynchronous, endpoint, given))
        fallbacks = import_module("litellm.litellm_core_utils.fallback_utils")
        PATCHES.replace(fallbacks, "run_async_function", _in_a_thread)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def _plain(endpoint: Endpoint, given: tuple[str, ...], original: Any) -> Any:
    def function(*args: Any, **kwargs: Any) -> Any:
        body = _body(given, args, kwargs)
        outer = _outer()
        if outer is not None:
            return _tried(outer, partial(original, *args, **kwargs), body)
        exchange, kwargs = _begun(endpoint, body, kwargs)
        if exchange is None:
            return original(*args, **kwargs)
        exchange.attempts.begin()
        with exchange.sending():
            result = original(*args, **kwargs)
        return _taken(exchange, result)

    return function


def _asynchronous(endpoint: Endpoint, given: tuple[str, ...], original: Any) -> Any:
    async def function(*args: Any, **kwargs: Any) -> Any:
        body = _body(given, args, kwargs)
        outer = _outer()
        if outer is not None:
            return await _tried_async(outer, partial(original, *args, **kwargs), body)
        exchange, kwargs = await _begun_async(endpoint, body, kwargs)
        if exchange is None:
            return await original(*args, **kwargs)
        exchange.attempts.begin()
        with exchange.sending():
            result = await original(*args, **kwargs)
        return _taken(exchange, result)

    return function


def _outer() -> Exchange | None:
    """The call of litellm's that this one is inside of."""
    exchange = current_exchange()
    return exchange if exchange is not None and exchange.endpoint in _ENDPOINTS else None


def _tried(outer: Exchange, call: Callable[[], Any], body: Mapping[str, Any]) -> Any:
    if any(body.get(mark) for mark in _MARKS):  # the second half of an asynchronous function
        return call()
    outer.attempts.begin()
    try:
        result = call()
    except BaseException as error:
        outer.attempts.failed(error)
        raise
    _answered(outer, body)
    return result


async def _tried_async(outer: Exchange, call: Callable[[], Any], body: Mapping[str, Any]) -> Any:
    outer.attempts.begin()
    try:
        result = await call()
    except BaseException as error:
        outer.attempts.failed(error)
        raise
    _answered(outer, body)
    return result


def _answered(outer: Exchange, body: Mapping[str, Any]) -> None:
    """A try succeeded: whoever was asked by it has answered the call."""
    outer.attempts.end(200)
    with guarded("litellm try"):
        _, outer.provider = _named(body)


def _body(
    given: tuple[str, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments by their names."""
    return {**dict(zip(given, args, strict=False)), **kwargs}


def _in_a_thread(original: Any) -> Any:
    """Fallbacks of a plain call run on a loop of their own, in a thread: the call comes along."""

    def run_async_function(async_function: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _outer()
        if exchange is None:
            return original(async_function, *args, **kwargs)

        async def carried(*args: Any, **kwargs: Any) -> Any:
            with exchange.sending():
                return await async_function(*args, **kwargs)

        return original(carried, *args, **kwargs)

    return run_async_function


def _begun(
    endpoint: Endpoint, body: Mapping[str, Any], kwargs: dict[str, Any]
) -> tuple[Exchange | None, dict[str, Any]]:
    """The exchange of a call, and the arguments to make it with."""
    asked = _asked(body)
    exchange = begin(endpoint, **asked) if asked is not None else None
    return exchange, _to_send(exchange, kwargs)


async def _begun_async(
    endpoint: Endpoint, body: Mapping[str, Any], kwargs: dict[str, Any]
) -> tuple[Exchange | None, dict[str, Any]]:
    asked = _asked(body)
    exchange = await begin_async(endpoint, **asked) if asked is not None else None
    return exchange, _to_send(exchange, kwargs)


def _asked(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """What ``begin`` takes for a call; ``None`` for the second half of an asynchronous one."""
    if not PATCHES.on or any(body.get(mark) for mark in _MARKS):
        return None
    try:
        return _read(body)
    except Exception as error:
        FAULTS.count("litellm request", error)
        return None


def _read(body: Mapping[str, Any]) -> dict[str, Any]:
    model, provider = _named(body)
    served = served_by(body.get("api_base") or body.get("base_url") or "", provider, model, _any)
    return {
        "body": body,
        "provider": served.provider,
        "model": model,
        "region": served.region or body.get("aws_region_name") or body.get("vertex_location"),
        "stream": bool(body.get("stream")),
    }


def _to_send(exchange: Exchange | None, kwargs: dict[str, Any]) -> dict[str, Any]:
    """No more output than a budget allows, and the usage of a stream asked for."""
    if exchange is None:
        return kwargs
    try:
        kwargs = dict(exchange.body_to_send(kwargs) or kwargs)
        body = exchange.body or {}
        may_tell = exchange.endpoint in (CHAT, TEXT)
        if may_tell and body.get("stream") and _can_be_asked(body, *_named(body)):
            kwargs["stream_options"] = {"include_usage": True}
    except Exception as error:
        FAULTS.count("litellm request", error)
    return kwargs


def _any(_: str) -> bool:
    return True


def _named(body: Mapping[str, Any]) -> tuple[str, str]:
    """The model as its provider calls it, and who that is, as litellm will find out."""
    asked = str(body.get("model"))
    find = sys.modules["litellm"].get_llm_provider
    try:
        model, provider, *_ = find(
            model=asked,
            custom_llm_provider=body.get("custom_llm_provider"),
            api_base=body.get("api_base") or body.get("base_url"),
        )
    except Exception:  # which litellm will say to the application itself
        return asked, "litellm"
    return model, canonical(provider) or "litellm"


def _can_be_asked(body: Mapping[str, Any], model: str, provider: str) -> bool:
    """Whether a stream tells its usage only if asked, the caller has not, and it can be."""
    if body.get("stream_options") is not None:
        return False
    known = sys.modules["litellm"].get_supported_openai_params
    return "stream_options" in (known(model, provider) or ())


def _taken(exchange: Exchange, result: Any) -> Any:
    """``result`` for the caller; should watching fail, the call still ends, as unknown."""
    try:
        if hasattr(result, "__next__") and hasattr(result, "chunks"):
            return watched_chunks(exchange, result)
        if exchange.endpoint is RESPONSES and not hasattr(result, "model_fields_set"):
            return watched_items(exchange, result, ResponseEvents(exchange))
        exchange.answered(result)
    except Exception as error:
        FAULTS.count("litellm response", error)
        exchange.ended(Status.OK)
    return result
