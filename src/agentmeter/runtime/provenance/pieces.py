"""The pieces that a request's body is made of, in the order in which the provider reads them.

Anthropic documents its cache's order as tools, system, messages. OpenAI only says that a prompt
begins with its static part; tools are taken to stand first there, too, as they do when a
conversation is rendered for its open models.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentmeter.model import Origin
from agentmeter.semconv.usage import plain_mapping

Body = Mapping[str, Any]

_ROLES = {
    "system": Origin.SYSTEM,
    "developer": Origin.SYSTEM,
    "user": Origin.USER,
    "assistant": Origin.ASSISTANT,
    "model": Origin.ASSISTANT,
    "tool": Origin.TOOL,
    "function": Origin.TOOL,
}
_IMAGES = ("image", "image_url", "input_image", "computer_screenshot")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of input: where it comes from, its text, and its tool's or document's name."""

    origin: Origin
    text: str
    name: str | None = None


def pieces(shape: str, body: Body) -> Iterator[Piece]:
    """The pieces of a body of one of the ``SHAPES``."""
    for tool in _items(body.get("tools")):
        yield Piece(Origin.TOOLS, _text(tool))
    yield from SHAPES[shape](body)


def _chat(body: Body) -> Iterator[Piece]:
    names: dict[str, str] = {}
    for message in map(_mapping, _items(body.get("messages"))):
        origin = _ROLES.get(str(message.get("role")), Origin.OTHER)
        name = names.get(str(message.get("tool_call_id"))) or message.get("name")
        yield from _content(message.get("content"), origin, _name(name, origin), names)
        for call in map(_mapping, _items(message.get("tool_calls"))):
            function = _mapping(call.get("function") or call.get("custom"))
            names[str(call.get("id"))] = str(function.get("name"))
            yield Piece(Origin.ASSISTANT, _text([function.get("name"), function.get("arguments")]))


def _responses(body: Body) -> Iterator[Piece]:
    if body.get("instructions"):
        yield Piece(Origin.SYSTEM, _text(body["instructions"]))
    given = body.get("input")
    if isinstance(given, str):
        yield Piece(Origin.USER, given)
        return
    names: dict[str, str] = {}
    for item in map(_mapping, _items(given)):
        kind = item.get("type")
        if "role" in item:
            origin = _ROLES.get(str(item["role"]), Origin.OTHER)
            yield from _content(item.get("content"), origin, None, names)
        elif kind in ("function_call", "custom_tool_call"):
            names[str(item.get("call_id"))] = str(item.get("name"))
            called = [item.get("name"), item.get("arguments", item.get("input"))]
            yield Piece(Origin.ASSISTANT, _text(called))
        elif "output" in item:
            name = names.get(str(item.get("call_id")))
            yield from _content(item["output"], Origin.TOOL, name, names)
        elif kind not in ("reasoning", "item_reference", "compaction"):
            yield Piece(Origin.OTHER, _text(item))


def _messages(body: Body) -> Iterator[Piece]:
    names: dict[str, str] = {}
    yield from _content(body.get("system"), Origin.SYSTEM, None, names)
    for message in map(_mapping, _items(body.get("messages"))):
        origin = _ROLES.get(str(message.get("role")), Origin.OTHER)
        yield from _content(message.get("content"), origin, None, names)


def _embeddings(body: Body) -> Iterator[Piece]:
    given = body.get("input")
    for text in [given] if isinstance(given, str) else _items(given):
        yield Piece(Origin.OTHER, _text(text))


def _gemini(body: Body) -> Iterator[Piece]:
    for part in _items(_mapping(body.get("systemInstruction")).get("parts")):
        yield _gemini_part(_mapping(part), Origin.SYSTEM)
    for content in map(_mapping, _items(body.get("contents"))):
        origin = _ROLES.get(str(content.get("role") or "user"), Origin.OTHER)
        for part in _items(content.get("parts")):
            yield _gemini_part(_mapping(part), origin)


def _gemini_part(part: Body, origin: Origin) -> Piece:
    if "functionCall" in part:
        called = _mapping(part["functionCall"])
        return Piece(Origin.ASSISTANT, _text([called.get("name"), called.get("args")]))
    if "functionResponse" in part:
        result = _mapping(part["functionResponse"])
        return Piece(
            Origin.TOOL, _text(result.get("response")), _name(result.get("name"), Origin.TOOL)
        )
    if "inlineData" in part or "fileData" in part:
        return Piece(Origin.IMAGE, _text(part))
    return Piece(origin, _text(part.get("text", part)))


def _converse(body: Body) -> Iterator[Piece]:
    for tool in _items(_mapping(body.get("toolConfig")).get("tools")):
        yield Piece(Origin.TOOLS, _text(tool))
    for part in _items(body.get("system")):
        yield _converse_part(_mapping(part), Origin.SYSTEM, {})
    names: dict[str, str] = {}
    for message in map(_mapping, _items(body.get("messages"))):
        origin = _ROLES.get(str(message.get("role")), Origin.OTHER)
        for part in _items(message.get("content")):
            yield _converse_part(_mapping(part), origin, names)


def _converse_part(part: Body, origin: Origin, names: dict[str, str]) -> Piece:
    if "toolUse" in part:
        called = _mapping(part["toolUse"])
        names[str(called.get("toolUseId"))] = str(called.get("name"))
        return Piece(Origin.ASSISTANT, _text([called.get("name"), called.get("input")]))
    if "toolResult" in part:
        result = _mapping(part["toolResult"])
        name = names.get(str(result.get("toolUseId")))
        return Piece(Origin.TOOL, _text(result.get("content")), name)
    if "image" in part or "video" in part:
        return Piece(Origin.IMAGE, _text(part))
    return Piece(origin, _text(part.get("text", part)))


SHAPES: dict[str, Callable[[Body], Iterator[Piece]]] = {
    "openai.chat": _chat,
    "openai.responses": _responses,
    "openai.embeddings": _embeddings,
    "anthropic.messages": _messages,
    "google.generate_content": _gemini,
    "bedrock.converse": _converse,
}
"""The shapes of bodies that can be told apart, by the protocol's name."""


def _content(
    content: Any, origin: Origin, name: str | None, names: dict[str, str]
) -> Iterator[Piece]:
    """A message's content: text, or parts that may be images, calls and results of tools."""
    if content is None:
        return
    if isinstance(content, str):
        yield Piece(origin, content, name)
        return
    for part in _items(content):
        yield from _part(part, origin, name, names)


def _part(part: Any, origin: Origin, name: str | None, names: dict[str, str]) -> Iterator[Piece]:
    found = plain_mapping(part)
    if found is None:
        yield Piece(origin, _text(part), name)
        return
    kind = found.get("type")
    if kind in _IMAGES:
        yield Piece(Origin.IMAGE, _text(part), name)
    elif kind == "tool_use":
        names[str(found.get("id"))] = str(found.get("name"))
        yield Piece(Origin.ASSISTANT, _text([found.get("name"), found.get("input")]))
    elif kind == "tool_result":
        tool = names.get(str(found.get("tool_use_id")))
        yield from _content(found.get("content"), Origin.TOOL, tool, names)
    else:
        yield Piece(origin, _text(found.get("text", found.get("refusal", found))), name)


def _name(value: Any, origin: Origin) -> str | None:
    return str(value) if value and origin is Origin.TOOL else None


def _items(value: Any) -> Sequence[Any]:
    if type(value) is list:  # as a rule; to ask an abstract class is dear
        return value
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return value
    return [value] if isinstance(value, Mapping) else ()


def _mapping(value: Any) -> Body:
    return value if type(value) is dict else plain_mapping(value) or {}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    plain = plain_mapping(value)
    return json.dumps(value if plain is None else plain, ensure_ascii=False, default=str)
