"""Usage that comes by another request than the call's own: background responses and batches.

Of a background response it is in the first answer of ``retrieve`` or ``cancel``, plain or streamed,
that tells any. So it is with a stream that was left early.
"""

import json
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import Awaited, Batches, Endpoint, leave_beside, watch_lines
from agentmeter_openai.streams import item

_MOST = 4096
_ENDS = ("response.completed", "response.incomplete", "response.failed")

Served = Callable[[Any], dict[str, Any]]
"""Who serves a model to the client: ``provider`` and ``region``."""
Endpoints = Mapping[str, Endpoint]


AWAITED = Awaited()
BATCHES = Batches()


def passing(options: Any, result: Any, served: Served, endpoints: Endpoints) -> Any:
    """Take note of what an answer tells of earlier requests, on its way to the caller."""
    path, _, _ = str(options.url).partition("?")
    method = options.method.lower()
    if path.endswith("/batches") and method == "post":
        _batch_created(_document(result))
    elif path.startswith("/batches/") and method == "get":
        _batch_seen(_document(result))
    elif path.startswith("/files/") and path.endswith("/content"):
        _file_read(path.split("/")[-2], result, served, endpoints)
    elif path.startswith("/responses/") and _is_response(path, method):
        _response_seen(result, served, endpoints["/responses"])
    return result


def _is_response(path: str, method: str) -> bool:
    rest = path.removeprefix("/responses/")
    if method == "get":
        return "/" not in rest
    return method == "post" and rest.endswith("/cancel")


def _document(result: Any) -> Any:
    """The answer: an object of the client's, or the body of a raw response that has been read."""
    content = getattr(getattr(result, "http_response", None), "_content", None)
    return json.loads(content) if content else result


# -- responses ---------------------------------------------------------------------------------


def _response_seen(result: Any, served: Served, endpoint: Endpoint) -> None:
    def told(response: Any) -> None:
        if item(response, "usage") is not None:
            place = served(item(response, "model"))
            call = AWAITED.told(
                str(item(response, "id")),
                lambda: endpoint.facts(response, place["provider"]),
                {"operation": "chat", **place} if item(response, "background") else None,
            )
            if call is not None:
                leave_beside(call, endpoint, response)

    if hasattr(result, "_iterator"):
        watch = _events_async if hasattr(result._iterator, "__anext__") else _events
        result._iterator = watch(result._iterator, told)
    elif getattr(getattr(result, "http_response", None), "_content", b"") is None:
        return
    else:
        told(_document(result))


def _events(inner: Iterator[Any], told: Callable[[Any], None]) -> Iterator[Any]:
    for event in inner:
        _see(event, told)
        yield event


async def _events_async(
    inner: AsyncIterator[Any], told: Callable[[Any], None]
) -> AsyncIterator[Any]:
    async for event in inner:
        _see(event, told)
        yield event


def _see(event: Any, told: Callable[[Any], None]) -> None:
    if item(event, "type") in _ENDS:
        told(item(event, "response"))


# -- batches -----------------------------------------------------------------------------------

_FILES: OrderedDict[str, str] = OrderedDict()
"""Output files that a batch has told of, and the batch."""


def _batch_created(batch: Any) -> None:
    if isinstance(item(batch, "id"), str):
        BATCHES.created(item(batch, "id"))


def _batch_seen(batch: Any) -> None:
    output = item(batch, "output_file_id")
    if isinstance(output, str):
        _FILES[output] = item(batch, "id")
        while len(_FILES) > _MOST:
            _FILES.popitem(last=False)


def _file_read(file_id: str, result: Any, served: Served, endpoints: Endpoints) -> None:
    """The lines of a file; those that are a batch's results are told by their shape."""
    batch_id = _FILES.get(file_id, f"of {file_id}")

    def take(line: Any) -> None:
        answer = (line.get("response") or {}) if isinstance(line, dict) else {}
        body = answer.get("body")
        if "custom_id" in line and answer.get("status_code") == 200 and isinstance(body, dict):
            endpoint = endpoints[_ENDPOINTS.get(body.get("object", ""), "/chat/completions")]
            _result(batch_id, line, body, served(body.get("model")), endpoint)

    response = getattr(result, "response", None) or getattr(result, "http_response", None)
    if response is not None:
        watch_lines(response, BATCHES.reader(take, b'"custom_id"'))


def _result(
    batch_id: str,
    line: Mapping[str, Any],
    body: Mapping[str, Any],
    place: Mapping[str, Any],
    endpoint: Endpoint,
) -> None:
    """One line of results: whatever the endpoint answered, at the batch's price."""
    said = endpoint.facts(body, place["provider"])
    call = replace(said, model=said.response_model, operation=endpoint.operation)
    name = str(line.get("id") or body.get("id"))
    beside = endpoint.beside(body) if endpoint.beside is not None else ()
    for result_id, one in ((name, call), *((f"{name} {n}", o) for n, o in enumerate(beside))):
        where = {"provider": place["provider"], "region": one.region or place["region"]}
        BATCHES.result(batch_id, result_id, replace(one, **where))


_ENDPOINTS = {
    "response": "/responses",
    "list": "/embeddings",
    "text_completion": "/completions",
}
"""By what an answer says that it is."""
