"""Where the bodies of Bedrock have their limits: of Converse, and of the models' own families."""

import json
from collections.abc import Mapping
from typing import Any

from agentmeter.integration import Body, Bounds, limit, parts_of
from agentmeter_bedrock.answers import document_of

_UNSEEN = {"image": "an image", "document": "a document", "video": "a video", "audio": "audio"}
_FAMILIES = (
    ("anthropic", "max_tokens"),
    ("nova", "inferenceConfig.maxTokens"),
    ("titan", "textGenerationConfig.maxTokenCount"),
    ("meta", "max_gen_len"),
)
"""A word of the model's name, and where its body has the limit."""
_OTHERS = "max_tokens"


def _converse_limit(body: Body) -> int | None:
    return limit((body.get("inferenceConfig") or {}).get("maxTokens"))


def _limit_converse(body: Body, tokens: int) -> Body:
    return {**body, "inferenceConfig": {**(body.get("inferenceConfig") or {}), "maxTokens": tokens}}


def _unseen(body: Body) -> str | None:
    found = {
        told
        for part in parts_of(body, "messages", "system")
        for name, told in _UNSEEN.items()
        if name in part or part.get("type") == name
    }
    return f"{', '.join(sorted(found))}: not in the request's tokens" if found else None


def _marks_cache(body: Body) -> bool:
    """Nothing is written to a cache that nobody marks."""
    marked = json.dumps(body, default=str)
    return "cachePoint" in marked or "cache_control" in marked


def _place(model: str) -> list[str]:
    found = next((place for word, place in _FAMILIES if word in model), _OTHERS)
    return found.split(".")


def _invoke_limit(body: Body) -> int | None:
    at: Any = document_of(body)
    for name in _place(str(body.get("modelId"))):
        at = at.get(name) if isinstance(at, Mapping) else None
    return limit(at)


def _limit_invoke(body: Body, tokens: int) -> Body:
    """The body is text, and is written anew."""
    limited = _at(dict(document_of(body)), _place(str(body.get("modelId"))), tokens)
    return {**body, "body": json.dumps(limited).encode()}


def _at(document: dict[str, Any], place: list[str], tokens: int) -> dict[str, Any]:
    name, *rest = place
    inner = document.get(name)
    value = _at(dict(inner or {}), rest, tokens) if rest else tokens
    return {**document, name: value}


CONVERSE = Bounds(
    limit_of=_converse_limit,
    with_limit=_limit_converse,
    uncounted=_unseen,
    writes_cache=_marks_cache,
)
INVOKE = Bounds(
    limit_of=_invoke_limit,
    with_limit=_limit_invoke,
    uncounted=lambda body: _unseen(document_of(body)),
    writes_cache=lambda body: _marks_cache(document_of(body)),
)
