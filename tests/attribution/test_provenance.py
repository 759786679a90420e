"""Where input tokens come from: an exact division of what was reported, and no text kept."""

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

import agentmeter as am
from agentmeter.attribution.provenance import portions
from agentmeter.model import Call, Origin, Segment, Usage
from agentmeter.report.provenance import provenance
from agentmeter.runtime.provenance.digests import Digests
from agentmeter.runtime.provenance.documents import cut_out
from agentmeter.runtime.provenance.pieces import Piece, pieces
from agentmeter.runtime.state import STATE
from agentmeter.testing import Kept, ModelServer, Reply

WEIGHTS = st.lists(
    st.tuples(st.sampled_from(Origin), st.integers(0, 10_000)), min_size=1, max_size=8
)
INPUT = st.fixed_dictionaries(
    {},
    optional={
        meter: st.integers(0, 50_000)
        for meter in (
            *("input", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h"),
            *("input_image", "input_audio", "input_unsplit", "output"),
        )
    },
).map(Usage)


@given(WEIGHTS, INPUT)
def test_the_parts_sum_to_every_meter_of_the_input(
    weights: list[tuple[Origin, int]], usage: Usage
) -> None:
    """Meter by meter the pieces take all of the reported input, and nothing of the output."""
    segments = tuple(
        Segment(origin, f"{n:016x}", weight) for n, (origin, weight) in enumerate(weights)
    )
    found = portions(Call(segments=segments), usage)
    total: Usage = Usage()
    for _, part in found:
        total = total + part
    expected = {meter: n for meter, n in usage.items() if meter != "output"}
    assert dict(total) == expected


@given(WEIGHTS, st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_cache_is_read_from_the_beginning(
    weights: list[tuple[Origin, int]], fresh: int, cached: int
) -> None:
    """No piece is read from the cache after one that was not read whole."""
    segments = tuple(
        Segment(Origin.USER, f"{n:016x}", weight) for n, (_, weight) in enumerate(weights)
    )
    found = portions(Call(segments=segments), Usage(input=fresh, cache_read=cached))
    whole = [part for _, part in found if part]
    seen_fresh = False
    for part in whole:
        assert not (seen_fresh and part.get("cache_read"))
        seen_fresh = seen_fresh or bool(part.get("input"))


def test_what_was_not_told_apart_has_no_provenance() -> None:
    """Without segments, or without any input, there is nothing to divide."""
    assert portions(Call(), Usage(input=5)) == ()
    assert portions(Call(segments=(Segment(Origin.USER, "a", 1),)), Usage(output=5)) == ()


CHAT = {
    "tools": [{"type": "function", "function": {"name": "search"}}],
    "messages": [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [{"type": "text", "text": "U"}, {"type": "image_url"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "function": {"name": "search", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "T"},
    ],
}
RESPONSES = {
    "tools": CHAT["tools"],
    "instructions": "S",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "U"}, {"type": "input_image"}]},
        {"type": "function_call", "call_id": "c1", "name": "search", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "T"},
    ],
}
MESSAGES = {
    "tools": CHAT["tools"],
    "system": [{"type": "text", "text": "S"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "U"}, {"type": "image"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "search"}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "T"}],
        },
    ],
}


@pytest.mark.parametrize(
    ("shape", "body"),
    [("openai.chat", CHAT), ("openai.responses", RESPONSES), ("anthropic.messages", MESSAGES)],
)
def test_bodies_of_each_protocol_are_told_apart(shape: str, body: dict) -> None:
    """Tools, system, user, image, the model's own call and its result, named after the tool."""
    found = list(pieces(shape, body))
    assert [piece.origin for piece in found] == [
        Origin.TOOLS,
        Origin.SYSTEM,
        Origin.USER,
        Origin.IMAGE,
        Origin.ASSISTANT,
        Origin.TOOL,
    ]
    assert (found[-1].text, found[-1].name) == ("T", "search")


def test_a_document_is_cut_out_of_the_text_around_it() -> None:
    """The longest document that begins first is taken, as often as it stands there."""
    piece = Piece(Origin.USER, "ask: page one? again: page one.")
    found = list(cut_out(piece, {"page": "short", "page one": "doc-1"}))
    assert [(one.origin, one.text, one.name) for one in found] == [
        (Origin.USER, "ask: ", None),
        (Origin.RETRIEVED, "page one", "doc-1"),
        (Origin.USER, "? again: ", None),
        (Origin.RETRIEVED, "page one", "doc-1"),
        (Origin.USER, ".", None),
    ]


def test_digests_need_the_key() -> None:
    """Equal texts have equal digests under one key, and unrelated ones under another."""
    one, same, other = Digests(b"k" * 32), Digests(b"k" * 32), Digests(b"x" * 32)
    assert one.of("yes") == same.of("yes") != other.of("yes")


def test_a_tool_result_is_followed_through_an_agents_loop(meter: Kept) -> None:
    """A result that is sent in eleven calls is told with its tokens, its cost and its cache."""
    calls = 12
    am.instrument("openai")
    with ModelServer() as server, am.request(user="u") as request:
        client = openai.OpenAI(base_url=server.base_url, api_key="test")
        messages: list = [{"role": "user", "content": "go"}]
        for number in range(calls):
            grown = 0 if number == 0 else 8_000
            server.script(
                Reply(
                    input=100 + grown,
                    cached=90 + grown if number > 1 else 0,
                    tool_calls=(("search", "{}"),) if number == 0 else (),
                )
            )
            answer = client.chat.completions.create(model="gpt-5", messages=messages)
            if number == 0:
                messages.append(answer.choices[0].message)
                called = answer.choices[0].message.tool_calls
                assert called is not None
                result = {"role": "tool", "tool_call_id": called[0].id, "content": "result " * 8000}
                messages.append(result)
        messages.clear()  # what the caller does afterwards changes nothing
    am.uninstrument("openai")
    (one,) = request.report().requests
    found = provenance(one)
    paid = {row.origin: row for row in found.segments}[Origin.TOOL]
    assert (paid.name, paid.calls) == ("search", 11)
    assert paid.usage.total_input == 11 * paid.tokens
    assert 8_050 <= paid.tokens <= 8_100
    assert 0.97 < paid.usage["cache_read"] / (10 * paid.tokens) <= 1
    assert sum(row.usage.total_input for row in found.by_origin) == one.usage.total_input
    assert f"tool search, {paid.tokens:,} tokens: sent in 11 calls" in str(request.report())
    lines = Decimal(0)
    for row in found.by_origin:
        lines += row.amounts["USD"]
    document = request.report().to_json()["requests"][0]
    assert document["provenance"]["evidence"] == "estimated split of reported totals"
    assert lines == sum(
        Decimal(line["amount"])
        for call in document["tree"]["children"]
        for line in call["call"]["lines"]
        if line["meter"] != "output"
    )


def test_a_retrieved_document_is_known_inside_a_message(meter: Kept) -> None:
    """What the application named is told by that name, though it stands in a user's message."""
    page = "The sky is blue because of Rayleigh scattering. " * 20
    am.instrument("openai")
    with ModelServer(default=Reply(input=500)) as server, am.request(user="u") as request:
        client = openai.OpenAI(base_url=server.base_url, api_key="test")
        asked = f"Why? Use {am.retrieved(page, 'doc-17')}"
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": asked}])
    am.uninstrument("openai")
    by_name = {row.name: row for row in provenance(request.report().requests[0]).segments}
    assert by_name["doc-17"].origin is Origin.RETRIEVED
    assert by_name["doc-17"].usage.total_input > 450


def test_calls_that_ask_the_same_are_known_again(meter: Kept) -> None:
    """The second of two identical calls is a repetition; another temperature is another call."""
    am.instrument("openai")
    with ModelServer() as server, am.request(user="u") as request:
        client = openai.OpenAI(base_url=server.base_url, api_key="test")
        for temperature in (0, 0, 1):
            client.chat.completions.create(
                model="gpt-4o-mini",
                messages=[{"role": "user", "content": "x"}],
                temperature=temperature,
            )
    am.uninstrument("openai")
    reasons = [call.node.waste for call in request.report().requests[0].tree.children]
    assert reasons == [None, "repeated call", None]


def test_switched_off_nothing_is_told(meter: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """With provenance off no amendment is made."""
    monkeypatch.setattr(STATE, "provenance", False)
    am.instrument("openai")
    with ModelServer() as server, am.request(user="u") as request:
        client = openai.OpenAI(base_url=server.base_url, api_key="test")
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "x"}])
    am.uninstrument("openai")
    found = provenance(request.report().requests[0])
    assert (found.segments, found.untold) == ((), 1)


PROGRAM = """
import sys, openai, agentmeter as am
am.configure(directory=sys.argv[1])
am.instrument("openai")
with am.request(user="u"):
    client = openai.OpenAI(base_url=sys.argv[2], api_key="test")
    client.chat.completions.create(model="gpt-5", messages=[
        {"role": "user", "content": "a secret " * 50},
        {"role": "tool", "tool_call_id": "x", "content": "another secret"},
    ])
"""


def test_two_processes_know_the_same_piece_and_write_no_text(tmp_path: Path) -> None:
    """They share the folder's key, which nobody else can read; the journal has no word of it."""
    folder = tmp_path / "j"
    with ModelServer() as server:
        for _ in range(2):
            command = [sys.executable, "-c", PROGRAM, str(folder), server.base_url]
            subprocess.run(command, check=True, cwd=tmp_path)
    written = b"".join(file.read_bytes() for file in folder.glob("*.jsonl"))
    assert b"secret" not in written
    assert (folder / ".key").stat().st_mode & 0o777 == 0o600
    digests = [
        attribute["value"]["arrayValue"]["values"]
        for line in written.splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for span in resource["scopeSpans"][0]["spans"]
        for attribute in span["attributes"]
        if attribute["key"] == "agentmeter.input.segments"
    ]
    assert len(digests) == 2
    assert digests[0] == digests[1]
