"""Two choke points of botocore: a client's call of an operation, and one try of it.

Clients are classes made on the fly, below one base; what they call of Bedrock's runtime is seen
there, and everything else passes.
"""

from collections.abc import Mapping
from importlib import import_module
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
    is_installed,
)
from agentmeter_bedrock.answers import converse_texts, count_input, facts
from agentmeter_bedrock.bounds import CONVERSE, INVOKE
from agentmeter_bedrock.reading import (
    watch_body,
    watch_body_async,
    watch_converse,
    watch_converse_async,
    watch_invoke,
    watch_invoke_async,
)

_CONVERSE = Endpoint(
    operation="chat",
    facts=facts,
    texts=converse_texts,
    count_input=count_input,
    shape="bedrock.converse",
    bounds=CONVERSE,
)
_INVOKE = Endpoint(operation="chat", facts=facts, count_input=count_input, bounds=INVOKE)
_EMBED = Endpoint(operation="embeddings", facts=facts, count_input=count_input, bounds=NO_OUTPUT)
_RERANK = Endpoint(operation="rerank", facts=facts, bounds=NO_OUTPUT)
_OPERATIONS = {
    "Converse": lambda exchange, answer: exchange.answered(answer),
    "ConverseStream": watch_converse,
    "InvokeModel": watch_body,
    "InvokeModelWithResponseStream": watch_invoke,
}
"""What bills, and how its answer is read."""

_ASYNC_OPERATIONS = {
    **_OPERATIONS,
    "ConverseStream": watch_converse_async,
    "InvokeModel": watch_body_async,
    "InvokeModelWithResponseStream": watch_invoke_async,
}

PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if PATCHES.on:
        return
    client = import_module("botocore.client").BaseClient
    endpoint = import_module("botocore.endpoint").Endpoint
    try:
        PATCHES.replace(client, "_make_api_call", _make_api_call)
        PATCHES.replace(endpoint, "_get_response", _get_response)
        if is_installed("aiobotocore"):
            client = import_module("aiobotocore.client").AioBaseClient
            endpoint = import_module("aiobotocore.endpoint").AioEndpoint
            PATCHES.replace(client, "_make_api_call", _make_api_call_async)
            PATCHES.replace(endpoint, "_get_response", _get_response_async)
    except BaseException:
        PATCHES.undo()  # half a patch would meter half
        raise


def _make_api_call(original: Any) -> Any:
    def make_api_call(client: Any, operation_name: str, api_params: Any) -> Any:
        exchange, api_params = _begun(client, operation_name, api_params)
        if exchange is None:
            return original(client, operation_name, api_params)
        with exchange.sending():
            answer = original(client, operation_name, api_params)
        try:
            _OPERATIONS[operation_name](exchange, answer)
        except Exception as error:
            FAULTS.count("bedrock response", error)
            exchange.ended(Status.OK)
        return answer

    return make_api_call


def _make_api_call_async(original: Any) -> Any:
    async def make_api_call(client: Any, operation_name: str, api_params: Any) -> Any:
        exchange, api_params = await _begun_async(client, operation_name, api_params)
        if exchange is None:
            return await original(client, operation_name, api_params)
        with exchange.sending():
            answer = await original(client, operation_name, api_params)
        try:
            _ASYNC_OPERATIONS[operation_name](exchange, answer)
        except Exception as error:
            FAULTS.count("bedrock response", error)
            exchange.ended(Status.OK)
        return answer

    return make_api_call


def _begun(client: Any, operation: str, params: Any) -> tuple[Exchange | None, Any]:
    """The exchange of a request that bills, and the parameters to send."""
    asked = _asked(client, operation, params)
    exchange = begin(**asked) if asked is not None else None
    return exchange, _to_send(exchange, params)


async def _begun_async(client: Any, operation: str, params: Any) -> tuple[Exchange | None, Any]:
    asked = _asked(client, operation, params)
    exchange = await begin_async(**asked) if asked is not None else None
    return exchange, _to_send(exchange, params)


def _asked(client: Any, operation: str, params: Any) -> dict[str, Any] | None:
    """What ``begin`` takes for a request; ``None`` for one that bills nothing."""
    if operation not in _OPERATIONS or not PATCHES.on:
        return None
    try:
        if client.meta.service_model.service_id != "Bedrock Runtime":
            return None
        return _read(client, operation, params)
    except Exception as error:
        FAULTS.count("bedrock request", error)
        return None


def _to_send(exchange: Exchange | None, params: Any) -> Any:
    if exchange is None:
        return params
    try:
        return exchange.body_to_send(params) or params
    except Exception as error:
        FAULTS.count("bedrock request", error)
        return params


def _read(client: Any, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    model, region, deployment = _named(str(params["modelId"]), client.meta.region_name)
    return {
        "endpoint": _endpoint(operation, model),
        "body": params,
        "provider": "aws",
        "model": model,
        "region": region,
        "deployment": deployment,
        "stream": "Stream" in operation,
    }


def _endpoint(operation: str, model: str) -> Endpoint:
    if operation.startswith("Converse"):
        return _CONVERSE
    if "embed" in model:
        return _EMBED
    return _RERANK if "rerank" in model else _INVOKE


def _named(model_id: str, region: str | None) -> tuple[str, str | None, str | None]:
    """The model, region and deployment that a model's id or ARN names.

    An id such as ``eu.anthropic.claude…`` keeps the profile that it begins with: it has a price of
    its own.
    """
    if not model_id.startswith("arn:"):
        return model_id, region, None
    parts = model_id.split(":", 5)
    kind, _, name = parts[-1].partition("/")
    return name or model_id, parts[3] or region, "provisioned" if "provisioned" in kind else None


def _get_response(original: Any) -> Any:
    def get_response(*args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange()
        if exchange is None:
            return original(*args, **kwargs)
        exchange.attempts.begin()
        result = original(*args, **kwargs)
        _tried(exchange, result)
        return result

    return get_response


def _get_response_async(original: Any) -> Any:
    async def get_response(*args: Any, **kwargs: Any) -> Any:
        exchange = current_exchange()
        if exchange is None:
            return await original(*args, **kwargs)
        exchange.attempts.begin()
        result = await original(*args, **kwargs)
        _tried(exchange, result)
        return result

    return get_response


def _tried(exchange: Exchange, result: Any) -> None:
    """A try is over: it has brought an answer, of whatever status, or an error."""
    answer, error = result
    if answer is not None:
        exchange.attempts.end(answer[0].status_code)
    else:
        exchange.attempts.failed(error)
