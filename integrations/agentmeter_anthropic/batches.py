"""Message batches: who creates one, and its results on their way to the caller."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import Batches, watch_lines, watched_lines
from agentmeter_anthropic.messages import facts, item


def passing(batches: Batches, options: Any, result: Any, served: Mapping[str, Any]) -> Any:
    """Take note of a batch that is created, and of results on their way to the caller."""
    path = str(options.url).partition("?")[0]
    if path.endswith("/messages/batches") and options.method.lower() == "post":
        batch_id = item(result, "id") or item(_at_hand(result), "id")
        if batch_id:
            batches.created(batch_id)
    elif path.endswith("/results") and "/batches/" in path:
        batch_id = path.removesuffix("/results").rpartition("/")[2]
        _watch(result, batches.reader(_taker(batches, batch_id, served)))
    return result


def _taker(
    batches: Batches, batch_id: str, served: Mapping[str, Any]
) -> Callable[[Mapping[str, Any]], None]:
    def take(line: Mapping[str, Any]) -> None:
        result = line["result"]
        if result["type"] == "succeeded":
            message = result["message"]
            said = facts(message)
            region = said.region or served.get("region")
            call = replace(
                said,
                provider=served.get("provider"),
                model=said.response_model,
                operation="chat",
                region=region,
            )
            batches.result(batch_id, message["id"], call)

    return take


def _at_hand(raw: Any) -> Any:
    """The body of a raw response that has been read."""
    content = getattr(getattr(raw, "http_response", None), "_content", None)
    return json.loads(content) if content else None


def _watch(result: Any, read: Callable[[bytes], None]) -> None:
    """See the lines of a decoder, or of a raw response that will be parsed or read."""
    if hasattr(result, "_raw_iterator"):
        result._raw_iterator = watched_lines(result._raw_iterator, read)
    else:
        watch_lines(result.http_response, read)
