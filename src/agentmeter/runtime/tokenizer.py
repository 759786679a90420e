"""Token counts made here, for when a provider reports none.

Every function here blocks, and none keeps the text it was given.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from agentmeter.runtime.encodings import encoded, encoding_for

# A chat request is rendered with tokens that its JSON does not show; figures of the OpenAI
# cookbook ("How to count tokens with tiktoken") and of litellm's token_counter.
_PER_MESSAGE = 3
_PER_NAME = 1
_PRIMING = 3
_PER_TOOL_LIST = 9
PER_IMAGE = 85  # the base charge; the tiles of a detailed image are not known without its size


_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image_url", "input_image", "image", "computer_screenshot")
# Their text is sealed or not in the request, so nothing of it can be counted.
_OPAQUE_ITEMS = ("reasoning", "item_reference", "compaction")


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A number of tokens, and what it rests on.

    ``factor`` is what the encoding's own count was multiplied with, 1 where the encoding is the
    model's own; ``source`` says why that encoding and factor hold.
    """

    tokens: int
    encoding: str
    factor: Decimal
    source: str


def count(text: str, model: str) -> TokenCount:
    """Tokens of ``text`` for ``model``, rounded up; ``<|endoftext|>`` and its like are plain text.

    The first count of an encoding loads it.
    """
    return _counted([text], 0, model, "")


def count_chat_input(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None,
    model: str,
) -> TokenCount:
    """An estimate of the prompt tokens of a chat completions request.

    Counted are each message's role, text, name and tool calls, 3 a message, 1 a name, 85 an image,
    3 for the reply's start, and the tools as compact JSON plus 9. Not counted are audio, files, the
    tiles of detailed images and the ids of tool calls. A message of another shape counts as its
    JSON; a one-shot iterator is not consumed and counts as nothing.
    """
    tally = _Tally()
    for message in _items(messages):
        tally.message(_plain(message))
    return tally.request(tools, model)


def count_responses_input(
    input: str | Sequence[Any],  # noqa: A002  # the API's own name
    instructions: str | None,
    tools: Sequence[Mapping[str, Any]] | None,
    model: str,
) -> TokenCount:
    """An estimate of the input tokens of a Responses API request, as ``count_chat_input`` makes it.

    A string is one user message, and ``instructions`` are a message too. Reasoning items and what
    the request only refers to (``previous_response_id``, item references) count as nothing.
    """
    tally = _Tally()
    if instructions:
        tally.message({"role": "developer", "content": instructions})
    if isinstance(input, str):
        tally.message({"role": "user", "content": input})
    else:
        for item in _items(input):
            tally.item(_plain(item))
    return tally.request(tools, model)


def count_embeddings_input(
    input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],  # noqa: A002
    model: str,
) -> TokenCount:
    """Tokens of an embeddings request: text is encoded, token ids count one each.

    Exact for OpenAI's models.
    """
    texts: list[str] = []
    ids = 0
    for entry in [input] if isinstance(input, str) else _items(input):
        if isinstance(entry, int):
            ids += 1
        elif isinstance(entry, list | tuple):
            ids += len(entry)
        else:
            texts.append(_text(entry))
    return _counted(texts, ids, model, "")


class _Tally:
    """The texts of one request and the tokens its shape adds to theirs."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._fixed = _PRIMING

    def message(self, message: Any) -> None:
        """Add a chat message."""
        self._fixed += _PER_MESSAGE
        if not isinstance(message, Mapping):
            self._texts.append(_text(message))
            return
        self._add(message.get("role"))
        self._content(message.get("content"))
        self._add(message.get("refusal"))
        if message.get("name") is not None:
            self._fixed += _PER_NAME
            self._add(message["name"])
        for call in (*_items(message.get("tool_calls")), message.get("function_call")):
            self._call(_plain(call))

    def item(self, item: Any) -> None:
        """Add an input item of the Responses API."""
        if not isinstance(item, Mapping) or "role" in item:
            self.message(item)
            return
        kind = item.get("type")
        if kind in _OPAQUE_ITEMS:
            return
        self._fixed += _PER_MESSAGE
        if kind in ("function_call", "custom_tool_call"):
            self._call(item)
        elif "output" in item:
            self._content(item["output"])
        else:
            self._texts.append(_text(item))

    def request(self, tools: Any, model: str) -> TokenCount:
        """The count of everything added, and of ``tools``."""
        offered = [_text(_plain(tool)) for tool in _items(tools)]
        fixed = self._fixed + (_PER_TOOL_LIST if offered else 0)
        return _counted(self._texts + offered, fixed, model, "; framing of the request estimated")

    def _add(self, value: Any) -> None:
        if value is not None:
            self._texts.append(_text(value))

    def _content(self, content: Any) -> None:
        if isinstance(content, str):
            self._texts.append(content)
            return
        if content is not None and not isinstance(content, Iterable):
            self._texts.append(_text(content))
        for part in _items(content):
            self._part(_plain(part))

    def _part(self, part: Any) -> None:
        if not isinstance(part, Mapping):
            self._texts.append(_text(part))
            return
        kind = part.get("type")
        if kind in _TEXT_PARTS:
            self._add(part.get("text"))
        elif kind == "refusal":
            self._add(part.get("refusal"))
        elif kind in _IMAGE_PARTS:
            self._fixed += PER_IMAGE

    def _call(self, call: Any) -> None:
        if not isinstance(call, Mapping):
            self._add(call)
            return
        called = call.get("function") or call.get("custom") or call
        if not isinstance(called, Mapping):
            self._texts.append(_text(call))
            return
        for key in ("name", "arguments", "input"):
            self._add(called.get(key))


def _counted(texts: Sequence[str], fixed: int, model: str, remark: str) -> TokenCount:
    """Tokens of ``texts`` by the factor, rounded up, and ``fixed`` ones that it does not touch."""
    encoding, factor, source = encoding_for(model)
    raw = 0
    if any(texts):
        raw = encoded(texts, encoding)
    tokens = int((raw * factor).to_integral_value(ROUND_CEILING))
    return TokenCount(tokens + fixed, encoding, factor, source + remark)


def _items(value: Any) -> list[Any]:
    """The elements of a sequence; a lone value is its own element, an iterator has none to give."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return list(value)
    if isinstance(value, str | Mapping) or hasattr(value, "model_dump"):
        return [value]
    return []


def _plain(value: Any) -> Any:
    """An SDK's model as a mapping; anything else, and a model that cannot be dumped, as it is."""
    if not hasattr(value, "model_dump"):
        return value
    try:
        return value.model_dump(mode="json", exclude_none=True, warnings=False)
    except (TypeError, ValueError):
        return value


def _text(value: Any) -> str:
    """A string as it is; anything else as compact JSON, or as Python prints it."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError):
        return repr(value)
