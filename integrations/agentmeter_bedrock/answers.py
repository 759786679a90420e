"""What answers say, whichever model's body they are in, and what a request's body holds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import (
    ESTIMATED,
    REPORTED,
    UNKNOWN,
    Body,
    Call,
    Usage,
    facts_of,
    tokenizer,
)

_DOCUMENTS_IN_A_QUERY = 100
_TEXTS = frozenset(
    ("text", "content", "prompt", "inputText", "texts", "message", "messages", "system", "input")
)
"""The fields of bodies that hold text, or what holds text."""


def facts(answer: Any, provider: str | None = None) -> Call:
    """Usage, conditions and identity of an answer.

    The model is the one that was asked by its id, which says what its price is; the name in the
    body of the answer leaves out the profile.
    """
    said = facts_of({"usage": {}, **answer}, "aws")
    return replace(said, response_model=None)


def converse_texts(answer: Any) -> Iterator[Any]:
    """What a whole answer of Converse says, thinks and asks of tools."""
    message = (answer.get("output") or {}).get("message") or {}
    for block in message.get("content") or ():
        yield block.get("text")
        yield ((block.get("reasoningContent") or {}).get("reasoningText") or {}).get("text")
        if tool := block.get("toolUse"):
            yield f"{tool.get('name')}{json.dumps(tool.get('input'), default=str)}"


def body_facts(document: Any, around: Mapping[str, Any], asked: Body) -> Call:
    """What a model's own body and the header around it say; ``asked`` is the request's."""
    if isinstance(document, dict):
        if isinstance(document.get("images"), list):
            return _counted(Usage(image=len(document["images"])), around)
        if _is_ranking(document):
            return _ranked(document_of(asked), around)
    said = document if isinstance(document, dict) else {}
    conditions = {"latency": around.get("performanceConfigLatency")}
    found = facts({**said, **_identity(around), "performanceConfig": conditions})
    if not found.usage and "embeddings" in said:
        return replace(found, evidence={"input": UNKNOWN})
    return found


def _identity(around: Mapping[str, Any]) -> dict[str, Any]:
    names = ("ResponseMetadata", "serviceTier")
    return {name: around[name] for name in names if around.get(name)}


def _counted(usage: Usage, around: Mapping[str, Any]) -> Call:
    told = facts(_identity(around))
    return replace(told, usage=usage, evidence=dict.fromkeys(usage, REPORTED))


def _is_ranking(document: Mapping[str, Any]) -> bool:
    results = document.get("results")
    return isinstance(results, list) and any("relevance_score" in one for one in results)


def _ranked(asked: Mapping[str, Any], around: Mapping[str, Any]) -> Call:
    """Billed by the query over up to a hundred documents; the answer does not say how many."""
    documents = len(asked.get("documents") or ())
    queries = max(1, -(-documents // _DOCUMENTS_IN_A_QUERY))
    told = facts(_identity(around))
    return replace(told, usage=Usage(search_unit=queries), evidence={"search_unit": ESTIMATED})


def document_of(params: Body) -> Mapping[str, Any]:
    """The JSON of InvokeModel's body, of Converse the parameters themselves."""
    body = params.get("body")
    if isinstance(body, (bytes, bytearray, str)):
        document = json.loads(body)
        return document if isinstance(document, dict) else {}
    return {} if "body" in params else params


def count_input(params: Body, model: str) -> int:
    """An estimate of a request's input tokens: all text in it, and what tools are declared as."""
    document = document_of(params)
    tools = [document[name] for name in ("tools", "toolConfig") if document.get(name)]
    texts = [*_texts(document), *(json.dumps(one, default=str) for one in tools)]
    return tokenizer.count("\n".join(texts), model).tokens


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name in _TEXTS or isinstance(inner, Mapping):
                yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
