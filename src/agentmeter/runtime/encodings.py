"""The encodings: which one a model counts by, and how many tokens it makes of a text.

The rank files lie beside this module, so nothing is downloaded. tiktoken and the ranks load on the
first count (about 0.3 s and 90 MB for ``o200k_base``), not on import.
"""

import os
import re
import threading
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

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

_LONGEST_RUN = 50_000  # characters of white space


def encoding_for(model: str) -> tuple[str, Decimal, str]:
    """The encoding of ``model``, the factor to apply to its counts, and why these hold.

    ``ft:`` and a provider's path (``openai/``, ``us.anthropic.``) are not part of the name.
    """
    return _encoding_of(str(model))


@lru_cache(1024)
def _encoding_of(model: str) -> tuple[str, Decimal, str]:
    name = model.lower().removeprefix("ft:")
    name = name.rpartition("/")[2].rpartition("anthropic.")[2]
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return _MODELS[prefix]
    return _O200K, _EXACT, _UNKNOWN


def encoded(texts: Iterable[str], encoding: str) -> int:
    """How many tokens the encoding makes of the texts; the first use of one loads it."""
    encode = _ENCODINGS.get(encoding).encode_ordinary
    return sum(len(encode(piece)) for text in texts for piece in _pieces(text))


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


class _Encodings:
    """The encodings of this process; each is loaded once, whichever thread asks first."""

    def __init__(self) -> None:
        self._loaded: dict[str, Encoding] = {}
        self._renew_lock()
        if hasattr(os, "register_at_fork"):
            # Another thread may hold the lock when the process forks; the child would never get it.
            os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

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
