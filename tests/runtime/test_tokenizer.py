"""Token counts made without the provider."""

import hashlib
import lzma
import socket
import subprocess
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiktoken_ext import openai_public

from agentmeter.runtime import encodings, tokenizer
from agentmeter.runtime.tokenizer import (
    TokenCount,
    count,
    count_chat_input,
    count_embeddings_input,
    count_responses_input,
    encoding_for,
)

RANKS = Path(tokenizer.__file__).parent / "_ranks"
PUBLISHED = "the encoding tiktoken publishes for this model"
FRAMED = PUBLISHED + "; framing of the request estimated"
HELLO = [{"role": "user", "content": "hello world"}]  # 3 + 1 role + 2 text, and 3 to prime = 9


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a count went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, Any]:
    """An encoding as tiktoken defines it, with the digest it pins in place of the ranks."""
    seen: dict[str, Any] = {}

    def load(_url: str, expected_hash: str) -> dict[bytes, int]:
        seen["sha256"] = expected_hash
        return {}

    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", load)
    definition: dict[str, Any] = openai_public.ENCODING_CONSTRUCTORS[request.param]()
    return definition | seen


@pytest.mark.parametrize("published", ["o200k_base", "cl100k_base"], indirect=True)
def test_ranks_and_pattern_are_those_tiktoken_publishes(published: dict[str, Any]) -> None:
    """The vendored text has the digest tiktoken pins, and the split pattern is tiktoken's."""
    name = published["name"]
    text = lzma.decompress((RANKS / f"{name}.tiktoken.xz").read_bytes())
    assert hashlib.sha256(text).hexdigest() == published["sha256"]
    assert encodings._PATTERNS[name] == published["pat_str"]
    assert published["sha256"] in (RANKS / "README.md").read_text()


@pytest.mark.parametrize(
    ("text", "o200k", "cl100k"),
    [
        ("", 0, 0),
        ("hello world", 2, 2),
        ("tiktoken is great!", 6, 6),
        ("antidisestablishmentarianism", 6, 6),
        ("お誕生日おめでとう", 8, 9),
        ("a" * 20_000, 2_500, 2_500),
        ("\ud800", 1, 1),
    ],
)
def test_counts_are_tiktokens(text: str, o200k: int, cl100k: int) -> None:
    """Known texts have their known number of tokens in both encodings."""
    assert count(text, "gpt-4o") == TokenCount(o200k, "o200k_base", Decimal(1), PUBLISHED)
    assert count(text, "gpt-4") == TokenCount(cl100k, "cl100k_base", Decimal(1), PUBLISHED)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4"])
def test_special_tokens_are_plain_text(model: str) -> None:
    """The text of a special token is no special token."""
    assert count("<|endoftext|>", model).tokens == 7


def test_a_million_blanks_are_counted() -> None:
    """White space that would overflow tiktoken's matcher is counted in pieces."""
    assert count(" " * 1_000_000, "gpt-4o").tokens == 20 * count(" " * 50_000, "gpt-4o").tokens
    assert "".join(encodings._pieces("x" + " " * 120_000 + "y")) == "x" + " " * 120_000 + "y"


@pytest.mark.parametrize(
    ("models", "encoding", "factor", "source"),
    [
        (
            "gpt-4o gpt-4o-mini-2024-07-18 gpt-4.1-nano gpt-4.5-preview gpt-5-mini o1 o3-pro "
            "o4-mini chatgpt-4o-latest gpt-oss-120b ft:gpt-4o-mini:acme::7p openai/gpt-4o",
            *("o200k_base", "1", PUBLISHED),
        ),
        (
            "gpt-4 gpt-4-turbo gpt-4-1106-preview gpt-3.5-turbo gpt-35-turbo davinci-002 "
            "babbage-002 text-embedding-3-small text-embedding-ada-002 ft:gpt-3.5-turbo:acme::7p",
            *("cl100k_base", "1", PUBLISHED),
        ),
        (
            "claude-2.1 claude-instant-1.2 claude-3-5-sonnet-20241022 claude-sonnet-4-20250514 "
            "claude-opus-4-6 claude-haiku-4.5 anthropic/claude-opus-4-1",
            *("o200k_base", "1.25", encodings._CLAUDE_OLD[2]),
        ),
        (
            "claude-opus-4-7 claude-opus-4.7 claude-opus-4-8 claude-sonnet-5 "
            "us.anthropic.claude-opus-4-7-v1:0",
            *("o200k_base", "1.64", encodings._CLAUDE_NEW[2]),
        ),
        (
            "gemini-3-pro llama-4 text-embedding-004 gpt-9",
            *("o200k_base", "1", "no tokenizer known for this model; o200k_base used"),
        ),
    ],
)
def test_the_model_decides_the_encoding(
    models: str, encoding: str, factor: str, source: str
) -> None:
    """Each model has the encoding, factor and source of the longest prefix that fits."""
    for model in models.split():
        assert encoding_for(model) == (encoding, Decimal(factor), source), model


def test_a_factor_rounds_up() -> None:
    """Two tokens by 1.25 are three, and by 1.64 four."""
    assert count("hello world", "claude-3-haiku").tokens == 3
    assert count("hello world", "claude-opus-4-7").tokens == 4


def test_a_chat_request_counts_text_and_framing() -> None:
    """Each role, text, name and image is counted, and 3 a message and 3 to prime."""
    assert count_chat_input(HELLO, None, "gpt-4o") == TokenCount(
        9, "o200k_base", Decimal(1), FRAMED
    )
    assert count_chat_input([HELLO[0] | {"name": "bob"}], None, "gpt-4o").tokens == 9 + 2
    parts = [
        {"type": "text", "text": "hello world"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9_000}},
        {"type": "input_audio", "input_audio": {"data": "A" * 9_000}},
    ]
    message = {"role": "user", "content": parts}
    assert count_chat_input([message], None, "gpt-4o").tokens == 9 + 85
    assert count_chat_input([], None, "gpt-4o").tokens == 3


def test_a_factor_leaves_framing_alone() -> None:
    """Only text is scaled: three tokens by 1.25 are four, and six are framing."""
    assert count_chat_input(HELLO, None, "claude-3-haiku").tokens == 4 + 6


def test_tools_and_their_calls_are_counted() -> None:
    """A call counts its name and arguments; tools count as compact JSON and 9 more."""
    call = {"id": "call_1", "function": {"name": "hello", "arguments": "hello world"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert count_chat_input([message], None, "gpt-4o").tokens == 3 + 3 + 1 + 1 + 2
    tool = {"type": "function", "function": {"name": "hello"}}
    text = '{"type":"function","function":{"name":"hello"}}'
    tokens = count(text, "gpt-4o").tokens
    assert count_chat_input(HELLO, [tool], "gpt-4o").tokens == 9 + 9 + tokens
    assert count_responses_input("hello world", None, [tool], "gpt-4o").tokens == 9 + 9 + tokens


def test_a_responses_request_counts_its_items() -> None:
    """Text, instructions, calls and their results are counted; sealed reasoning is not."""

    def tokens(*items: Any) -> int:
        return count_responses_input(items, None, None, "gpt-4o").tokens

    assert count_responses_input("hello world", None, None, "gpt-4o").tokens == 9
    assert count_responses_input("hello world", "hello world", None, "gpt-4o").tokens == 9 + 6
    assert tokens({"role": "user", "content": [{"type": "input_text", "text": "hello world"}]}) == 9
    assert tokens({"type": "reasoning", "encrypted_content": "A" * 9_000}) == 3
    assert tokens({"type": "function_call", "name": "hello", "arguments": "hello world"}) == 9
    assert tokens({"type": "function_call_output", "output": "hello world"}) == 8
    shot = {"type": "computer_screenshot", "image_url": "data:image/png;base64," + "A" * 9_000}
    assert tokens({"type": "computer_call_output", "output": shot}) == 3 + 3 + 85


def test_an_sdk_model_counts_as_its_fields() -> None:
    """A message given as the SDK's object counts as the same message given as a dict."""
    message: Any = SimpleNamespace(model_dump=lambda **_: HELLO[0])
    assert count_chat_input([message], None, "gpt-4o").tokens == 9
    assert count_responses_input([message], None, None, "gpt-4o").tokens == 9


def test_odd_shapes_never_raise() -> None:
    """Whatever stands where a message should is counted, if only as its JSON."""
    circular: dict[str, Any] = {"role": "user"}
    circular["content"] = [circular]
    odd: list[Any] = [
        *(None, 1, b"x", object(), [], {}, {"role": 3, "content": 4}, {(1, 2): 3}, circular),
        {"role": "user", "content": {"type": ["text"]}, "tool_calls": 5},
        {"role": "user", "content": [None, 3, {"type": {}}], "tool_calls": [None, {"function": 3}]},
        {"type": "function_call", "arguments": {"a": 1}},
    ]
    for value in [*odd, odd]:
        assert count_chat_input(value, value, "gpt-4o").tokens >= 3
        assert count_chat_input([value], [value], "gpt-4o").tokens >= 3
        assert count_responses_input(value, value, value, "gpt-4o").tokens >= 3
        assert count_responses_input([value], None, [value], "gpt-4o").tokens >= 3
        assert count_embeddings_input(value, "gpt-4o").tokens >= 0
        assert count_embeddings_input([value], "gpt-4o").tokens >= 0


def test_an_iterator_is_left_for_the_application() -> None:
    """A one-shot iterator is not consumed."""
    messages: Any = iter(HELLO)
    assert count_chat_input(messages, None, "gpt-4o").tokens == 3
    assert list(messages) == HELLO


@pytest.mark.parametrize(
    ("entry", "tokens"),
    [
        ("hello world", 2),
        (["hello world", "hello"], 3),
        ([15339, 1917], 2),
        ([[15339, 1917], [1]], 3),
        ("", 0),
        ([], 0),
    ],
)
def test_embeddings_count_text_and_ids(entry: Any, tokens: int) -> None:
    """Text is encoded and token ids count one each."""
    assert count_embeddings_input(entry, "text-embedding-3-small") == TokenCount(
        tokens, "cl100k_base", Decimal(1), PUBLISHED
    )


def test_threads_load_an_encoding_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads that need an encoding at once make one load."""
    loads: list[str] = []
    load = encodings._load

    def slow(name: str) -> Any:
        loads.append(name)
        time.sleep(0.05)
        return load(name)

    monkeypatch.setattr(encodings, "_load", slow)
    monkeypatch.setattr(encodings, "_ENCODINGS", encodings._Encodings())
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(count("hello world", "gpt-4").tokens))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["cl100k_base"]
    assert counts == [2] * 8


def test_import_is_lazy() -> None:
    """Importing the module loads neither tiktoken nor lzma."""
    code = (
        "import sys, agentmeter; before = set(sys.modules); import agentmeter.runtime.tokenizer; "
        "print({'tiktoken', 'lzma'} & (set(sys.modules) - before), 'tiktoken' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set() False\n"
