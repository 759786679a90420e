"""Token counts made here, for when a provider reports none.

The rank files lie beside this module, so nothing is downloaded. tiktoken and the ranks load on the
first count (about 0.3 s and 90 MB for ``o200k_base``), not on import. Every function here blocks,
and none keeps the text it was given.
"""

import json
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tiktoken import Encoding

_O200K = "o200k_base"
_CL100K = "cl100k_base"

# As in tiktoken_ext.openai_public: how a text is split before its pieces are merged.
_PATTERNS = {
    _O200K: "|".join(
        (
            r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"""
            r"""[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
            r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"""
            r"""[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
            r"""\p{N}{1,3}""",
            r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
            r"""\s*[\r\n]+""",
            r"""\s+(?!\S)""",
            r"""\s+""",
        )
    ),
    _CL100K: "|".join(
        (
            r"""'(?i:[sdmt]|ll|ve|re)""",
            r"""[^\r\n\p{L}\p{N}]?+\p{L}++""",
            r"""\p{N}{1,3}+""",
            r""" ?[^\s\p{L}\p{N}]++[\r\n]*+""",
            r"""\s++$""",
            r"""\s*[\r\n]""",
            r"""\s+(?!\S)""",
            r"""\s""",
        )
    ),
}

_EXACT = Decimal(1)
_PUBLISHED = "the encoding tiktoken publishes for this model"
_UNKNOWN = "no tokenizer known for this model; o200k_base used"
_CLAUDE_OLD = (
    _O200K,
    Decimal("1.25"),
    "estimate: o200k_base x 1.25, as ctok 1.3.0 counted 10 KB of Python for Claude 3 "
    "(2789 to 2229)",
)
_CLAUDE_NEW = (
    _O200K,
    Decimal("1.64"),
    "estimate: o200k_base x 1.64, as ctok 1.3.0 counted 10 KB of Python for Claude 4.7 and 5 "
    "(3645 and 3640 to 2229)",
)
_CLAUDE_LINES = ("claude-", "claude-opus-", "claude-sonnet-", "claude-haiku-")
_O200K_MODELS = (
    *("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss"),
    *("chatgpt-4o", "o1", "o3", "o4"),
)
_CL100K_MODELS = (
    *("gpt-4", "gpt-3.5", "gpt-35", "davinci-002", "babbage-002"),
    # Not every "text-embedding-": text-embedding-004 is Google's, text-embedding-v3 Alibaba's.
    *("text-embedding-ada-002", "text-embedding-3"),
)

# Prefix of a model's name to (encoding, factor, source); the longest that fits holds.
_MODELS: dict[str, tuple[str, Decimal, str]] = {
    **dict.fromkeys(_O200K_MODELS, (_O200K, _EXACT, _PUBLISHED)),
    **dict.fromkeys(_CL100K_MODELS, (_CL100K, _EXACT, _PUBLISHED)),
    "claude-": _CLAUDE_NEW,
    **dict.fromkeys(("claude-instant", "claude-v"), _CLAUDE_OLD),
    **{f"{line}{major}": _CLAUDE_OLD for line in _CLAUDE_LINES for major in "1234"},
    **{
        f"{line}4{mark}{minor}": _CLAUDE_NEW
        for line in _CLAUDE_LINES
        for mark in "-."
        for minor in "789"
    },
}
_PREFIXES = sorted(_MODELS, key=len, reverse=True)

# A chat request is rendered with tokens that its JSON does not show; figures of the OpenAI
# cookbook ("How to count tokens with tiktoken") and of litellm's token_counter.
_PER_MESSAGE = 3
_PER_NAME = 1
_PRIMING = 3
_PER_TOOL_LIST = 9
PER_IMAGE = 85  # the base charge; the tiles of a detailed image are not known without its size

_LONGEST_RUN = 50_000  # characters of white space

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


def encoding_for(model: str) -> tuple[str, Decimal, str]:
    """The encoding of ``model``, the factor to apply to its counts, and why these hold.

    ``ft:`` and a provider's path (``openai/``, ``us.anthropic.``) are not part of the name.
    """
    name = str(model).lower().removeprefix("ft:")
    name = name.rpartition("/")[2].rpartition("anthropic.")[2]
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return _MODELS[prefix]
    return _O200K, _EXACT, _UNKNOWN


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
        encode = _ENCODINGS.get(encoding).encode_ordinary
        raw = sum(len(encode(piece)) for text in texts for piece in _pieces(text))
    tokens = int((raw * factor).to_integral_value(ROUND_CEILING))
    return TokenCount(tokens + fixed, encoding, factor, source + remark)


def _pieces(text: str) -> Iterator[str]:
    """``text``, cut inside runs of white space that are too long for tiktoken.

    Its matcher overflows its stack on about a million blanks and raises a BaseException. A cut
    adds a token or two.
    """
    start = 0
    if len(text) > _LONGEST_RUN:
        for run in re.finditer(r"\s+", text):
            for end in range(run.start() + _LONGEST_RUN, run.end(), _LONGEST_RUN):
                yield text[start:end]
                start = end
    yield text[start:]


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


class _Encodings:
    """The encodings of this process; each is loaded once, whichever thread asks first."""

    def __init__(self) -> None:
        self._loaded: dict[str, Encoding] = {}
        self._renew_lock()
        if hasattr(os, "register_at_fork"):
            # Another thread may hold the lock when the process forks; the child would never get it.
            os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def get(self, name: str) -> "Encoding":
        """The encoding of that name."""
        if name not in self._loaded:
            with self._lock:
                if name not in self._loaded:
                    self._loaded[name] = _load(name)
        return self._loaded[name]


def _load(name: str) -> "Encoding":
    """The encoding ``name`` from its rank file, without special tokens."""
    import lzma
    from binascii import a2b_base64
    from importlib.resources import files

    from tiktoken import Encoding

    packed = files("agentmeter.runtime").joinpath("_ranks", f"{name}.tiktoken.xz").read_bytes()
    fields = lzma.decompress(packed).split()
    ranks = dict(zip(map(a2b_base64, fields[::2]), map(int, fields[1::2]), strict=True))
    return Encoding(
        # A name of our own: tiktoken's registry keeps its.
        name=f"agentmeter_{name}",
        pat_str=_PATTERNS[name],
        mergeable_ranks=ranks,
        special_tokens={},
    )


_ENCODINGS = _Encodings()
