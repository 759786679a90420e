"""Files of spans that others wrote: read, priced, and what is wrong in them told of."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.dialects.test_dialects import RECORDED

from agentmeter.report.report import build
from agentmeter.store.reader import read

START = 1_790_000_000_000_000_000


def span(number: int, parent: int | None = None, **attributes: Any) -> dict[str, Any]:
    """An OTLP JSON span of a chat call, with ``attributes`` over the ordinary ones."""
    given = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 10,
        **{name.replace("__", "."): value for name, value in attributes.items()},
    }
    return {
        "traceId": "a" * 32,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": "chat gpt-5",
        "startTimeUnixNano": str(START + number * 10**9),
        "endTimeUnixNano": str(START + number * 10**9 + 10**8),
        "attributes": [
            {"key": name, "value": {"stringValue" if isinstance(v, str) else "intValue": v}}
            for name, v in given.items()
        ],
    }


def document(*spans: dict[str, Any], scope: str = "someone") -> str:
    found = {"scope": {"name": scope}, "spans": list(spans)}
    return json.dumps({"resourceSpans": [{"scopeSpans": [found]}]})


def totals(file: Path) -> tuple[int, int, list[str]]:
    """Tokens, requests and problems of a file."""
    contents = read(file)
    report = build(contents.entries, contents.tariffs)
    return report.usage.total_tokens, len(report.requests), contents.problems


def test_recorded_spans_of_a_library_are_a_report_with_prices(tmp_path: Path) -> None:
    """The command reads a file of somebody else's spans: each trace a request, priced now."""
    name, entry = next(one for one in RECORDED if one[0] == "pydantic-ai")
    assert name
    text = document(*(one["span"] for one in entry["spans"]), scope="pydantic-ai")
    file = tmp_path / "spans.json"
    file.write_text(text)
    command = [sys.executable, "-m", "agentmeter.cli", "report", str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    made = json.loads(done.stdout)
    (one,) = made["requests"]
    assert one["usage"] == {"cache_read": 2152, "input": 448, "output": 74, "reasoning": 16}
    assert one["cost"] == {"amount": "0.001729", "currency": "USD"}
    assert one["only_observed"] == 2
    assert one["lower_bound"] is True
    shown = subprocess.run(command[:-1], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "2 calls known only from other instrumentations' spans" in shown.stdout


def test_parents_in_a_cycle_are_counted_once(tmp_path: Path) -> None:
    """Two spans that name each other as parent are both kept, and both counted."""
    file = tmp_path / "spans.json"
    file.write_text(document(span(1, 2), span(2, 1)))
    assert totals(file) == (220, 1, [])


def test_a_span_that_is_repeated_counts_once(tmp_path: Path) -> None:
    """The same span exported twice, and an id that two traces share, are told apart."""
    other = {**span(1), "traceId": "b" * 32}
    file = tmp_path / "spans.json"
    file.write_text(document(span(1), span(1), other))
    assert totals(file) == (220, 2, [])


def test_a_span_without_an_end_is_kept(tmp_path: Path) -> None:
    """What has no end, or ends before it began, ends when it began."""
    endless, backwards = span(1), span(2)
    del endless["endTimeUnixNano"]
    backwards["endTimeUnixNano"] = "5"
    file = tmp_path / "spans.json"
    file.write_text(document(endless, backwards))
    assert totals(file)[:2] == (220, 1)


def test_attributes_of_the_wrong_type_are_named_with_their_place(tmp_path: Path) -> None:
    """A count that is text is told of by file, line and attribute; everything else counts."""
    wrong = span(1, gen_ai__usage__input_tokens="lots")
    nameless = span(2)
    del nameless["traceId"]
    file = tmp_path / "spans.json"
    file.write_text(document(wrong, nameless, span(3)))
    tokens, requests, problems = totals(file)
    assert (tokens, requests) == (120, 1)
    assert problems == [
        f"{file}, line 1: gen_ai.usage.input_tokens: expected a whole number from 0 up, got 'lots'",
        f"{file}, line 1: KeyError: 'traceId'",
    ]


def test_ordinary_spans_are_no_requests(tmp_path: Path) -> None:
    """A file of HTTP spans alone has no request in it, and nothing is wrong with it."""
    plain = {**span(1), "attributes": [{"key": "http.route", "value": {"stringValue": "/"}}]}
    file = tmp_path / "spans.json"
    file.write_text(document(plain))
    assert totals(file) == (0, 0, [])


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (None, "None is no object"),
        ("abc", "'abc' is no object"),
        ({"scopeSpans": None, "spans": 5}, ""),
        ({"scopeSpans": "abc"}, "'abc' is no object"),
        ({"scopeSpans": [{"spans": [None]}]}, "None is no object"),
        ({"scopeSpans": [{"scope": "x", "spans": [{}]}]}, "KeyError: 'traceId'"),
        ({"scopeSpans": [{"spans": [{**span(9), "traceId": 1}]}]}, "traceId: expected text, got 1"),
        ({"scopeSpans": [{"spans": [{**span(9), "parentSpanId": {"x": 1}}]}]}, "expected text"),
        ({"scopeSpans": [{"spans": [{**span(9), "attributes": None}]}]}, "TypeError"),
    ],
)
def test_what_is_no_span_is_told_of_and_the_others_are_kept(
    broken: object, problem: str, tmp_path: Path
) -> None:
    """Whatever stands in a document in the place of a span costs that place alone."""
    good = {"scopeSpans": [{"scope": {"name": "x"}, "spans": [span(1)]}]}
    file = tmp_path / "spans.json"
    file.write_text(json.dumps({"resourceSpans": [broken, good]}))
    contents = read(file)
    assert build(contents.entries, {}).usage.total_tokens == 110
    assert all(f"{file}, line 1" in one and problem in one for one in contents.problems)
    assert len(contents.problems) == bool(problem)


@pytest.mark.parametrize("start", ["-5", str(10**24), 1e300])
def test_a_span_from_no_time_is_kept_and_told_of(start: object, tmp_path: Path) -> None:
    """Its tokens count, its instant is the nearest that there is, and the report says so."""
    file = tmp_path / "spans.json"
    lost = {**span(1), "startTimeUnixNano": start}
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [lost]}]}]}))
    contents = read(file)
    document = build(contents.entries, {}, faults=contents.faults()).to_json()
    assert document["total"]["usage"] == {"input_unsplit": 100, "output": 10}
    assert len(document["faults"]) == 1
    assert "is no instant in nanoseconds since 1970" in next(iter(document["faults"]))


@pytest.mark.parametrize("value", ["abc", "NaN", "Infinity"])
def test_a_record_with_money_that_is_none_is_named(value: str, tmp_path: Path) -> None:
    """A broken amount is a problem of its line, not the end of the reading."""
    said = {
        "agentmeter.entry": "record",
        "agentmeter.request.id": "r",
        "agentmeter.scope.id": "s",
        "agentmeter.scope.kind": "call",
        "agentmeter.scope.name": "n",
        "agentmeter.status": "ok",
        "agentmeter.charge.amount": value,
        "agentmeter.charge.currency": "USD",
    }
    broken = span(1, **said)
    broken["attributes"].append({"key": "gen_ai.request.stream", "value": {"boolValue": False}})
    file = tmp_path / "spans.jsonl"
    documents = [
        {"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]} for one in (broken, span(2))
    ]
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    contents = read(file)
    assert build(contents.entries, {}).usage.total_tokens == 110
    assert len(contents.problems) == 1
    assert f"{file}, line 1" in contents.problems[0]


def test_a_file_of_a_newer_version_says_so_once(tmp_path: Path) -> None:
    """What this version knows of it is read, and the reader is told what to do about the rest."""
    schema = {"key": "agentmeter.schema", "value": {"intValue": "99"}}
    line = {
        "resourceSpans": [
            {
                "resource": {"attributes": [schema]},
                "scopeSpans": [{"scope": {"name": "x"}, "spans": [span(1)]}],
            }
        ]
    }
    file = tmp_path / "spans.jsonl"
    file.write_text(f"{json.dumps(line)}\n" * 3)
    contents = read(file)
    assert build(contents.entries, {}).usage.total_tokens == 110
    (problem,) = contents.problems
    assert problem.startswith(
        f"{file}: written by a newer agentmeter (schema 99, this one reads 1)"
    )
