"""The methods of the client that bill, as a table; every one has an asynchronous twin."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from agentmeter.integration import (
    NO_OUTPUT,
    Endpoint,
    Exchange,
    MeteredMethods,
    Patches,
    see_close,
    served_by,
    tried,
    tried_async,
    watched,
    watched_async,
)
from agentmeter_mistralai.answers import (
    Stream,
    answer_in,
    count_input,
    embedding_facts,
    facts,
)
from agentmeter_mistralai.bounds import CHAT, CONVERSATIONS


def _follow(exchange: Exchange) -> Stream:
    return Stream(exchange.provider)


_CHAT = Endpoint(
    operation="chat",
    facts=facts,
    accumulator=_follow,
    count_input=count_input,
    shape="openai.chat",
    answer_in=answer_in,
    bounds=CHAT,
)
_FIM = Endpoint(
    operation="text_completion",
    facts=facts,
    accumulator=_follow,
    count_input=count_input,
    bounds=CHAT,
)
_AGENT = Endpoint(
    operation="invoke_agent",
    facts=facts,
    accumulator=_follow,
    count_input=count_input,
    bounds=CONVERSATIONS,
)
_EMBEDDINGS = Endpoint(
    operation="embeddings", facts=embedding_facts, count_input=count_input, bounds=NO_OUTPUT
)
_OCR = Endpoint(operation="ocr", facts=facts)
_SPEECH = Endpoint(operation="transcription", facts=facts, accumulator=_follow)
_METHODS = (
    ("chat", "Chat", ("complete", "stream"), _CHAT),
    ("fim", "Fim", ("complete", "stream"), _FIM),
    ("agents", "Agents", ("complete", "stream"), _CHAT),
    (
        "conversations",
        "Conversations",
        ("start", "append", "restart", "start_stream", "append_stream", "restart_stream"),
        _AGENT,
    ),
    ("embeddings", "Embeddings", ("create",), _EMBEDDINGS),
    ("ocr", "Ocr", ("process",), _OCR),
    ("transcriptions", "Transcriptions", ("complete", "stream"), _SPEECH),
)
"""Module, class, methods and endpoint."""

_PACKAGES = {
    "mistralai.client": None,
    "mistralai.azure.client": "azure",
    "mistralai.gcp.client": "google",
}
"""Where those modules are, and who serves such a client unless its host says."""

_MODELS = (
    *("mistral", "ministral", "magistral", "codestral", "devstral", "pixtral", "voxtral"),
    *("open-mi", "labs-", "ft:"),
)
PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    try:
        for package in _PACKAGES:
            _replace(package)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def _replace(package: str) -> None:
    for module, name, methods, endpoint in _METHODS:
        owner: Any = getattr(_module(f"{package}.{module}"), name, None)
        for method in methods:
            if method in getattr(owner, "__dict__", ()):
                PATCHES.replace(owner, method, _METERED.plain(endpoint))
                PATCHES.replace(owner, f"{method}_async", _METERED.asynchronous(endpoint))
    retries = _module(f"{package}.utils.retries")
    if retries is not None:
        PATCHES.replace(retries, "retry", tried)
        PATCHES.replace(retries, "retry_async", tried_async)


def _module(name: str) -> Any:
    """A module of the client; ``None`` where this version has none, or what it needs is missing."""
    try:
        return import_module(name)
    except ImportError:
        return None


def _asked(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    client = args[0]
    model = kwargs.get("model")
    url = client.sdk_configuration.get_server_details()[0]
    named = model if isinstance(model, str) else None
    served = served_by(kwargs.get("server_url") or url, "mistral", named, _is_mistrals)
    package = type(client).__module__.rpartition(".")[0]
    return {
        "body": kwargs,
        "provider": _PACKAGES.get(package) or served.provider,
        "model": named,
        "region": served.region,
    }


def _is_mistrals(model: str) -> bool:
    return model.startswith(_MODELS)


def _take(exchange: Exchange, result: Any) -> Any:
    if not hasattr(result, "generator"):
        exchange.answered(result)
        return result
    exchange.scope.update(stream=True)
    watch = watched_async if hasattr(result, "__anext__") else watched
    result.generator = iterator = watch(exchange, result.generator)
    see_close(result.response, iterator.tally)
    return result


_METERED = MeteredMethods(library="mistralai", patches=PATCHES, asked=_asked, take=_take)
