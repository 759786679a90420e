"""The replayer takes cassettes that it has never seen, however their recorder wrote them."""

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import agentmeter as am
from agentmeter.testing.wire_bedrock import FRAMES, frame
from tests.replay.clients import METERED
from tests.replay.run import replay

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], "new_option": 1}
ASKED = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": CHAT["messages"]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant"}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "prompt_tokens_details": {"cached_tokens": 60},
    },
}
CHAT_USED = {"cache_read": 60, "input": 40, "output": 10}
EVENTS = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 7, "cache_read_input_tokens": 30, "output_tokens": 1},
        },
    },
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]
STREAM = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in EVENTS)


@pytest.fixture(autouse=True)
def instrumented() -> Iterator[None]:
    am.instrument(*METERED)
    yield
    am.uninstrument()


def interaction(url: str, body: Any, answer: Any, status: Any = None) -> dict[str, Any]:
    return {
        "request": {"method": "post", "uri": url, "body": body, "headers": {}},
        "response": {"status": status or {"code": 200, "message": "OK"}, **answer},
    }


OPENAI = "https://api.openai.com/v1/chat/completions"
PACKED = gzip.compress(json.dumps(ANSWER).encode())
ANSWERS = {
    "text": {"body": {"string": json.dumps(ANSWER)}},
    "bytes": {"body": {"string": json.dumps(ANSWER).encode()}},
    "packed": {"body": {"string": PACKED}},
    "base64": {"body": {"base64_string": base64.b64encode(PACKED).decode()}},
    "parsed": {"parsed_body": ANSWER},
    "content": {"content": json.dumps(ANSWER)},
}


@pytest.mark.parametrize("written", ANSWERS)
def test_bodies_are_read_however_they_are_written(written: str, tmp_path: Path) -> None:
    """Text, bytes, packed, base64, parsed: the same call, the same usage."""
    recorded = interaction(OPENAI, json.dumps(CHAT), ANSWERS[written])
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "interactions": [recorded]}))
    assert replay(file, tmp_path) == {
        "file": "one.yaml",
        "provider": "openai",
        "calls": 1,
        "usage": CHAT_USED,
        "agreed": True,
        "why": None,
    }


def test_python_objects_are_read_as_plain_values(tmp_path: Path) -> None:
    """A cassette with tags of Python's is read without making an object of them."""
    recorded = interaction(OPENAI, json.dumps(CHAT), ANSWERS["text"])
    dumped = yaml.safe_dump({"interactions": [recorded]})
    file = tmp_path / "one.yml"
    file.write_text(dumped.replace("headers: {}", "headers: !!python/object/new:x.Y {}"))
    assert replay(file, tmp_path)["agreed"] is True


def test_a_stream_of_anthropics_and_a_refusal(tmp_path: Path) -> None:
    """Two exchanges in one cassette: a stream with usage in two places, and an error of none."""
    url = "https://api.anthropic.com/v1/messages?beta=true"
    refused = {"body": {"string": '{"type": "error", "error": {"type": "overloaded_error"}}'}}
    file = tmp_path / "deep" / "two.yaml"
    file.parent.mkdir()
    recorded = [
        interaction(url, json.dumps({**ASKED, "stream": True}), {"body": {"string": STREAM}}),
        interaction(url, json.dumps(ASKED), refused, 529),
    ]
    file.write_text(yaml.safe_dump({"interactions": recorded}))
    result = replay(file, tmp_path)
    assert (result["provider"], result["calls"], result["agreed"]) == ("anthropic", 2, True)
    assert result["usage"] == {"cache_read": 30, "input": 7, "output": 5}


def test_the_provider_is_the_hosts(tmp_path: Path) -> None:
    """OpenAI's protocol at another host is that host's."""
    url = "https://api.groq.com/openai/v1/chat/completions"
    file = tmp_path / "one.yaml"
    recorded = interaction(url, json.dumps(CHAT), ANSWERS["text"])
    file.write_text(yaml.safe_dump({"interactions": [recorded]}))
    assert replay(file, tmp_path)["provider"] == "groq"


CONVERSED = b"".join(
    frame(name, json.dumps(payload).encode())
    for name, payload in {
        "messageStart": {"role": "assistant"},
        "messageStop": {"stopReason": "end_turn"},
        "metadata": {"usage": {"inputTokens": 7, "outputTokens": 5, "totalTokens": 12}},
    }.items()
)
AWS = "https://bedrock-runtime.eu-west-1.amazonaws.com/model"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"
SAID = {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}}
ELSEWHERE: dict[str, tuple[str, Any, bytes, dict[str, str], dict[str, int]]] = {
    "aws converse-stream": (
        f"{AWS}/amazon.nova-lite-v1%3A0/converse-stream",
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
        CONVERSED,
        {"content-type": FRAMES},
        {"input": 7, "output": 5},
    ),
    "aws invoke": (
        f"{AWS}/mistral.mistral-7b-instruct-v0%3A2/invoke",
        {"prompt": "hi"},
        b'{"outputs": [{"text": "ho", "stop_reason": "stop"}]}',
        {"X-Amzn-Bedrock-Input-Token-Count": "8", "X-Amzn-Bedrock-Output-Token-Count": "3"},
        {"input": 8, "output": 3},
    ),
    "google": (
        GEMINI,
        {"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"temperature": 1}},
        json.dumps({"candidates": [], **SAID}).encode(),
        {},
        {"input": 9, "output": 2},
    ),
    "mistral": (
        "https://api.mistral.ai/v1/chat/completions",
        {"model": "mistral-tiny", "messages": CHAT["messages"]},
        json.dumps({**ANSWER, "model": "mistral-tiny"}).encode(),
        {},
        CHAT_USED,
    ),
    "cohere": (
        "https://api.cohere.com/v2/chat",
        {"model": "command-r", "messages": CHAT["messages"]},
        json.dumps(
            {"id": "1", "usage": {"billed_units": {"input_tokens": 4, "output_tokens": 6}}}
        ).encode(),
        {},
        {"input": 4, "output": 6},
    ),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_every_provider_by_its_own_client(what: str, tmp_path: Path) -> None:
    """Frames, headers, JSON: whatever says the usage is what is compared."""
    url, body, answer, headers, used = ELSEWHERE[what]
    recorded = interaction(url, json.dumps(body), {"body": {"string": answer}, "headers": headers})
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump({"interactions": [recorded]}))
    result = replay(file, tmp_path)
    assert (result["agreed"], result["why"]) == (True, None)
    assert (result["provider"], result["usage"]) == (what.partition(" ")[0], used)


NOT_COMPARED = {
    "a list": "- 1\n",
    "broken": "interactions: [",
    "empty": "",
    "other": yaml.safe_dump({"interactions": [interaction("https://x.y/z", "{}", {"body": None})]}),
    "no usage": yaml.safe_dump(
        {"interactions": [interaction(OPENAI, json.dumps(CHAT), {"body": {"string": "{}"}})]}
    ),
    "no JSON": yaml.safe_dump(
        {"interactions": [interaction(OPENAI, json.dumps(CHAT), {"body": {"string": "<html>"}})]}
    ),
}


@pytest.mark.parametrize("what", NOT_COMPARED)
def test_what_cannot_be_compared_says_why(what: str, tmp_path: Path) -> None:
    """No cassette, no exchange, no usage: neither agreed nor disagreed, and a reason."""
    file = tmp_path / "one.yaml"
    file.write_text(NOT_COMPARED[what])
    result = replay(file, tmp_path)
    assert result["agreed"] is None, result
    assert result["why"]


def test_a_disagreement_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the meter is off by a token the line says so, with what was recorded."""
    file = tmp_path / "one.yaml"
    recorded = interaction(OPENAI, json.dumps(CHAT), ANSWERS["text"])
    file.write_text(yaml.safe_dump({"interactions": [recorded]}))
    monkeypatch.setattr("tests.replay.run.truth", lambda *_: (100, 60, 0, 11, 0))
    result = replay(file, tmp_path)
    assert (result["agreed"], result["why"]) == (False, "recorded (100, 60, 0, 11, 0)")


def test_the_command_prints_a_line_for_every_cassette(tmp_path: Path) -> None:
    """``python -m tests.replay FOLDER --json``: JSON lines, and a summary beside them."""
    recorded = interaction(OPENAI, json.dumps(CHAT), ANSWERS["text"])
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"interactions": [recorded]}))
    (tmp_path / "two.yaml").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "tests.replay", str(tmp_path), "--json"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["file"], one["agreed"]) for one in lines] == [
        ("one.yaml", True),
        ("two.yaml", None),
    ]
    assert "openai: agreed 1, disagreed 0, not compared 0\n" in done.stderr
