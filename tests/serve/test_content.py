"""Prompts and answers are not kept unless that is asked for; everything that is counted is."""

import json
from typing import Any

import pytest

from agentmeter.pricing import Cached, Catalog
from agentmeter.semconv.content import is_content
from agentmeter.serve.limits import Limits
from agentmeter.serve.spans import Intake
from agentmeter.store.reader import Contents, read_span
from tests.dialects.test_dialects import RECORDED
from tests.serve.serving import export, span

SAID = ("hello", "Oslo", "scripted 400", "You are", "Tell the weather")


def kept(body: bytes, *, keep_content: bool = False) -> list[dict[str, Any]]:
    """The spans that are written of an export."""
    intake = Intake(Limits(), Cached(Catalog()), keep_content=keep_content)
    taken = intake.take(json.loads(body))
    assert taken.refused == ()
    parts = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0] for line in taken.lines]
    return [one for part in parts for one in part["spans"]]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case[0]))
def test_no_text_of_a_recorded_library_is_kept(case: tuple[str, dict[str, Any]]) -> None:
    """Of every library's own spans: what was said is gone, and they are read as before."""
    for one in case[1]["spans"]:
        (made,) = kept(export(one["span"], scope=one["scope"]))
        text = json.dumps(made)
        assert [words for words in SAID if words in text] == []
        before, after = Contents(), Contents()
        before.take(read_span(one["span"], one["scope"], "here"))
        after.take(read_span(made, one["scope"], "here"))
        assert after == before


def test_what_was_left_out_is_counted_as_otlp_counts_it() -> None:
    """Attributes and events, added to what the sender itself had dropped."""
    given = span(1, **{"input.value": "hello", "gen_ai.prompt.0.content": "hello", "note": "kept"})
    given["events"] = [{"name": "gen_ai.choice", "attributes": []}]
    given["droppedAttributesCount"] = 3
    given["status"] = {"code": 2, "message": "hello"}
    (made,) = kept(export(given))
    assert (made["droppedAttributesCount"], made["droppedEventsCount"]) == (5, 1)
    assert "events" not in made
    assert made["status"] == {"code": 2}
    assert [entry["key"] for entry in made["attributes"]][-1] == "note"
    (whole,) = kept(export(given), keep_content=True)
    assert whole == given


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("gen_ai.prompt", True),
        ("gen_ai.prompt.12.content", True),
        ("gen_ai.prompt.name", False),
        ("gen_ai.input.messages", True),
        ("gen_ai.usage.input_tokens", False),
        ("llm.input_messages.0.message.content", True),
        ("llm.token_count.prompt", False),
        ("langfuse.observation.usage_details", False),
        ("traceloop.entity.input", True),
        ("traceloop.entity.name", False),
        ("events", True),
        ("events.count", False),
        ("agentmeter.request.id", False),
    ],
)
def test_names_are_told_apart(name: str, *, content: bool) -> None:
    """Counts, names and identities stay."""
    assert is_content(name) is content
