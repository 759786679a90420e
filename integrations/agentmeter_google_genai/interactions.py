"""The Interactions API, which sends by an HTTP client of its own; of older clients ``generated``.

In the background an interaction is one call, whose usage comes with a later look at it.
"""

import json
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib import import_module
from typing import Any

import wrapt

from agentmeter.integration import (
    FAULTS,
    Accumulator,
    Awaited,
    Body,
    Bounds,
    Call,
    Endpoint,
    Exchange,
    Patches,
    Status,
    begin,
    begin_async,
    facts_of,
    guarded,
    limit,
    tokenizer,
    tried,
    tried_async,
    watch_body,
)

AWAITED = Awaited()
_MODULE = "google.genai._gaos.interactions"
_ENDS = ("interaction.completed", "interaction.complete")
Place = Callable[[str, str], dict[str, Any]]
"""Who serves a model at an address."""


def interaction_facts(answer: Any, provider: str | None) -> Call:
    """What an interaction says, as a mapping."""
    said = {name: answer.get(name) for name in ("id", "model", "service_tier")}
    return facts_of({**said, "usage": answer.get("usage") or {}}, provider)


class Events(Accumulator):
    """The events of an interaction; the one that completes it tells the usage."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange
        self._interaction: dict[str, Any] = {}

    def see(self, event: Any) -> bool:
        """Take an event; none is hidden."""
        told = event.get("interaction")
        if isinstance(told, dict):
            self._interaction.update({name: value for name, value in told.items() if value})
        delta = event.get("delta")
        if isinstance(delta, dict) and isinstance(delta.get("text"), str):
            self.texts.append(delta["text"])
        self.finished = self.finished or event.get("event_type") in _ENDS
        return False

    def facts(self) -> Call:
        """What has been said so far."""
        return self._exchange.read(self._interaction)


def _count_input(body: Body, model: str) -> int:
    given = [body.get("system_instruction"), body.get("input"), body.get("tools")]
    texts = [one if isinstance(one, str) else json.dumps(one, default=str) for one in given if one]
    return tokenizer.count("\n".join(texts), model).tokens


def _config(body: Body) -> Mapping[str, Any]:
    return body.get("generation_config") or {}


def _uncounted(body: Body) -> str | None:
    found = [
        name for name in ("previous_interaction_id", "agent", "cached_content") if name in body
    ]
    plain = isinstance(body.get("input"), str)
    return (
        f"{', '.join(found) or 'its input'}: not in the request's tokens"
        if (found or not plain)
        else None
    )


INTERACTIONS = Endpoint(
    operation="generate_content",
    facts=interaction_facts,
    accumulator=Events,
    count_input=_count_input,
    later=AWAITED.wait,
    bounds=Bounds(
        limit_of=lambda body: limit(_config(body).get("max_output_tokens")),
        uncounted=_uncounted,
        writes_cache=lambda body: False,
    ),
)


class Interactions:
    """Meters what the base classes of that client send."""

    def __init__(self, patches: Patches, place: Place) -> None:
        self._patches = patches
        self._place = place

        self._waiting = False

    def apply(self) -> None:
        """Patch now or when that client is imported, which takes seconds."""
        if _MODULE in sys.modules:
            self._replace(sys.modules[_MODULE])
        elif not self._waiting:
            self._waiting = True
            wrapt.register_post_import_hook(self._imported, _MODULE)

    def _imported(self, module: Any) -> None:
        if self._patches.on:
            with guarded("google-genai interaction"):
                self._replace(module)

    def _replace(self, module: Any) -> None:
        replace = self._patches.replace
        replace(module.Interactions, "create", _create)
        replace(module.AsyncInteractions, "create", _create_async)
        replace(module.BaseSDK, "do_request", self._request)
        replace(module.AsyncBaseSDK, "do_request_async", self._request_async)
        retries = import_module(f"{module.__package__}.utils.retries")
        replace(retries, "retry", tried)
        replace(retries, "retry_async", tried_async)

    def _request(self, original: Any) -> Any:
        def do_request(client: Any, *args: Any, **kwargs: Any) -> Any:
            asked = self._asked(kwargs.get("request"))
            exchange = begin(**asked) if asked is not None else None
            if exchange is None:
                response = original(client, *args, **kwargs)
                self._looked_at(kwargs.get("request"), response)
                return response
            exchange.attempts.begin()
            with exchange.sending():
                response = original(client, *args, **kwargs)
            return _answered(exchange, response)

        return do_request

    def _request_async(self, original: Any) -> Any:
        async def do_request(client: Any, *args: Any, **kwargs: Any) -> Any:
            asked = self._asked(kwargs.get("request"))
            exchange = await begin_async(**asked) if asked is not None else None
            if exchange is None:
                response = await original(client, *args, **kwargs)
                self._looked_at(kwargs.get("request"), response)
                return response
            exchange.attempts.begin()
            with exchange.sending():
                response = await original(client, *args, **kwargs)
            return _answered(exchange, response)

        return do_request

    def _asked(self, request: Any) -> dict[str, Any] | None:
        """What ``begin`` takes for a request; ``None`` for one that bills nothing."""
        if not self._patches.on or request is None:
            return None
        try:
            if request.method != "POST" or not request.url.path.endswith("/interactions"):
                return None
            body = json.loads(request.content)
            model = str(body.get("model") or body.get("agent") or "").rpartition("/")[2]
            stream = bool(body.get("stream"))
            place = self._place(str(request.url), model)
            return {
                "endpoint": INTERACTIONS,
                "body": body,
                "model": model,
                "stream": stream,
                **place,
            }
        except Exception as error:
            FAULTS.count("google-genai interaction", error)
            return None

    def _looked_at(self, request: Any, response: Any) -> None:
        """An interaction that was begun before may tell its usage now."""
        try:
            path = request.url.path if self._patches.on and request is not None else ""
            content = getattr(response, "_content", None)
            if "/interactions/" in path and content:
                self._told(json.loads(content), str(request.url))
        except Exception as error:
            FAULTS.count("google-genai interaction", error)

    def _told(self, answer: Mapping[str, Any], url: str) -> None:
        if answer.get("usage"):
            provider = self._place(url, str(answer.get("model")))["provider"]
            AWAITED.told(str(answer.get("id")), lambda: interaction_facts(answer, provider), None)


def _answered(exchange: Exchange, response: Any) -> Any:
    try:
        refused = _REFUSED.get()
        if response.status_code >= 400 and refused is not None:
            exchange.attempts.end(response.status_code)
            refused.append(exchange)  # the error is raised further up, and is the client's own
            return response
        content = getattr(response, "_content", None)
        if content is None:
            watch_body(exchange, response)
        else:
            exchange.answered(json.loads(content))
    except Exception as error:
        FAULTS.count("google-genai interaction", error)
        exchange.ended(Status.OK)
    return response


_REFUSED: ContextVar[list[Exchange] | None] = ContextVar("agentmeter_refused", default=None)
"""The exchanges below a call of ``create`` that were answered with an error."""


def _create(original: Any) -> Any:
    def create(*args: Any, **kwargs: Any) -> Any:
        refused: list[Exchange] = []
        token = _REFUSED.set(refused)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            for exchange in refused:
                exchange.failed(error)
            raise
        finally:
            _REFUSED.reset(token)

    return create


def _create_async(original: Any) -> Any:
    async def create(*args: Any, **kwargs: Any) -> Any:
        refused: list[Exchange] = []
        token = _REFUSED.set(refused)
        try:
            return await original(*args, **kwargs)
        except BaseException as error:
            for exchange in refused:
                exchange.failed(error)
            raise
        finally:
            _REFUSED.reset(token)

    return create
