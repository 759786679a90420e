"""One data set, one set of figures: in process, from the journal, from Parquet and in DuckDB."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from tests.property.overlaps import Overlaps, overlaps
from tests.store.folders import PRICER, compacted, journal
from tests.store.test_foreign import document, span

import agentmeter as am
from agentmeter.model import UNATTRIBUTED, Amendment, Entry, Evidence, Kind, Opened, Owner, Record
from agentmeter.pricing import Tariff
from agentmeter.report.breakdown import KEYS, breakdown
from agentmeter.report.distribution import distribution as in_process_distribution
from agentmeter.report.pricing import priced_now
from agentmeter.report.provenance import origins as in_process_origins
from agentmeter.report.report import Report, build
from agentmeter.runtime.observe import watch
from agentmeter.semconv.dialects import observed
from agentmeter.semconv.otlp import fields_from_json
from agentmeter.store.choice import Choice
from agentmeter.store.engine import Embedded
from agentmeter.store.reader import read
from agentmeter.store.rollup import distribution, origins, rollup
from agentmeter.testing import Kept

BY = (*KEYS, "tag:team", "tag:absent")


def call(model: str = "gpt-5", **usage: int) -> None:
    with am.call(provider="openai", model=model) as one:
        one.record(am.Usage(usage))


@am.agent
def researcher(rounds: int) -> None:
    for number in range(rounds):
        with am.step("think"):
            call(input=900 + number, cache_read=300 * number, output=70, reasoning=11)
        with am.tool("search"):
            am.charge("serpapi.search", usd="0.005")
            call("text-embedding-3-small", input=13)


def raise_in_a_call() -> None:
    with pytest.raises(ValueError, match="cut"), am.call(provider="openai", model="gpt-5") as one:
        one.record(am.Usage(input=77))
        raise ValueError("cut")


def work() -> None:
    """Agents with tools, branches, waste, two currencies, shares, stray and late work."""
    for number in range(6):
        with am.request(
            user=f"u-{number % 3}", feature="chat" if number % 2 else "research",
            tenant=f"t-{number % 2}", plan="pro", tags={"team": "blue"} if number % 3 else {},
        ):  # fmt: skip
            researcher(number)
            with am.branch("draft") as draft:
                call("gpt-5-mini", input=500, output=250)
            with am.branch("kept"):
                call("nobody-knows-this-model", input=40)
            draft.discard()
            raise_in_a_call()
            if number == 4:
                am.charge("data.feed", amount="0.25", currency="EUR")
            carried = am.inject({})
        with am.resume(carried):
            call(input=5 + number)
    with (
        am.request(user="u-a") as one,
        am.request(user="u-b", new=True) as other,
        am.shared({one: 2, other: 1}),
    ):
        call("text-embedding-3-small", input=1001)
        call(input=100, output=7)
    call(input=321, output=12)


def told_of(entries: list[Entry]) -> list[Entry]:
    """What the script cannot do: segments, late counts and input that was asked for before."""
    segments = (
        am.model.Segment(am.model.Origin.SYSTEM, "a" * 16, 31),
        am.model.Segment(am.model.Origin.TOOL, "b" * 16, 60, "search"),
    )
    calls = [one for one in entries if isinstance(one, Record) and one.call and one.call.usage]
    made: list[Entry] = []
    for number, one in enumerate(calls[::3]):
        digest = f"{number % 2:016x}"
        at = one.ended_ns + 5
        made.append(Amendment(f"{number:016x}", one.request_id, one.scope_id, at,
                              segments=segments, input_digest=digest))  # fmt: skip
    late = calls[1]
    usage = {"output": 999}
    known = {"output": Evidence()}
    made.append(Amendment("e" * 16, late.request_id, late.scope_id, late.ended_ns + 9,
                          usage=am.Usage(usage), evidence=known))  # fmt: skip
    return made


KILLED = ("killed", "idle and killed")


def without_an_end(entries: list[Entry]) -> list[Entry]:
    """What a process leaves that is killed in one request with a priced call, and in an idle one.

    Nothing else about them is a lower bound.
    """
    known = next(
        one for one in entries
        if isinstance(one, Record) and one.kind is Kind.CALL and one.name == "gpt-5"
        and one.call and one.call.tariff and one.status == "ok" and not one.shares
        and one.request_id != UNATTRIBUTED
    )  # fmt: skip
    markers = [
        Opened(name, f"{number:016x}", "ask", Owner(f"u-{name}"), known.started_ns - 9, "c" * 32,
               f"{number:016x}")
        for number, name in enumerate(KILLED, 0xAAA)
    ]  # fmt: skip
    call = replace(known, request_id=KILLED[0], scope_id="f" * 16, parent_id=markers[0].scope_id,
                   owner=markers[0].owner, trace_id="c" * 32, span_id="f" * 16, position=1)  # fmt: skip
    return [*markers, call]


FOREIGN = [
    span(1, gen_ai__conversation__id="c-1"),
    span(2, 1, gen_ai__request__model="gpt-5-mini", user__id="u-9"),
    {**span(3, gen_ai__usage__input_tokens=5), "traceId": "b" * 32},
]


def foreign_entries() -> list[Entry]:
    return [observed(fields_from_json(one, "someone"))[0] for one in FOREIGN]


def figures(report: Report) -> dict[str, Any]:
    return {
        **{by: breakdown(report, by) for by in BY},
        "distribution": in_process_distribution(report),
        "euros": in_process_distribution(report, "EUR"),
        "origins": in_process_origins(report),
    }


def rolled_up(folder: Path) -> dict[str, Any]:
    with Embedded(folder, PRICER) as store:
        assert store.problems == []
        return {
            **{by: rollup(store, by) for by in BY},
            "distribution": distribution(store),
            "euros": distribution(store, currency="EUR"),
            "origins": origins(store),
        }


def reported(folder: Path) -> dict[str, Any]:
    contents = read(folder)
    entries, tariffs = priced_now(contents.entries, contents.tariffs, PRICER)
    return build(entries, tariffs, faults=contents.faults()).to_json()


def folders(
    tmp_path: Path, entries: list[Entry], tariffs: dict[str, Tariff], foreign: bytes
) -> Iterator[tuple[str, Path]]:
    """The same entries as an open journal, compacted, and in parts that came one after another."""
    as_journal = tmp_path / "journal"
    journal(as_journal, entries, tariffs)
    journal(as_journal, []).write_bytes(foreign)
    yield "journal", as_journal
    at_once = tmp_path / "at once"
    journal(at_once, entries, tariffs)
    journal(at_once, []).write_bytes(foreign)
    compacted(at_once)
    yield "compacted", at_once
    in_parts = tmp_path / "in parts"
    journal(in_parts, entries[: len(entries) // 2], tariffs)
    compacted(in_parts)
    journal(in_parts, entries[len(entries) // 2 : -5], tariffs)
    journal(in_parts, []).write_bytes(foreign)
    compacted(in_parts)
    journal(in_parts, entries[-5:])
    yield "late parts", in_parts
    compacted(in_parts)
    yield "late parts, compacted", in_parts
    backwards = tmp_path / "backwards"
    journal(backwards, entries[::2][::-1])
    compacted(backwards)
    journal(backwards, entries[::-1], tariffs)
    journal(backwards, []).write_bytes(foreign)
    yield "backwards, repeated, the tariffs late", backwards


def test_all_stores_agree_to_the_last_decimal(meter: Kept, tmp_path: Path) -> None:
    """Every figure by every key, whatever the order in which entries came and were compacted."""
    watch(provider := TracerProvider())
    with provider.get_tracer("someone").start_as_current_span("theirs"):
        work()
    entries = [*meter.entries, *told_of(meter.entries)]
    entries[:0] = without_an_end(meter.entries)
    foreign = document(*FOREIGN).encode() + b"\n"
    known, tariffs = priced_now([*entries, *foreign_entries()], meter.tariffs, PRICER)
    report = build(known, tariffs)
    expected, values = figures(report), report.to_json()
    assert len(report.requests) == 12
    assert sorted(report.amounts) == ["EUR", "USD"]
    assert {row.key for row in expected["waste"]} >= {"discarded", "failed call", "repeated call"}
    assert [row.origin for row in expected["origins"]]
    assert any(row.is_lower_bound for row in expected["model"])
    bounds = {one.request_id: one.is_lower_bound for one in report.requests}
    assert [bounds[name] for name in KILLED] == [True, True]
    (killed,) = (row for row in expected["user"] if row.key == "u-killed")
    assert (killed.is_lower_bound, killed.calls) == (True, 1)
    for name, folder in folders(tmp_path, entries, meter.tariffs, foreign):
        assert orjson.dumps(reported(folder)) == orjson.dumps(values), name
        found = rolled_up(folder)
        for by, rows in expected.items():
            assert found[by] == rows, f"{name}: by {by}"


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=overlaps(), cut=st.integers(0, 20), blank=st.booleans(), order=st.randoms())
def test_parts_that_hang_together_are_resolved_together(
    made: Overlaps,
    cut: int,
    blank: bool,
    order: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Random observers and parts: leaves equal a report over everything, entangled or not."""
    folder = tmp_path_factory.mktemp("f")
    records = [
        replace(one, request_id="") if blank and one.foreign else one for one in made.records
    ]
    order.shuffle(records)
    report = build(*priced_now(records, {}, PRICER))
    journal(folder, records[:cut])
    compacted(folder)
    journal(folder, records[cut:])
    with Embedded(folder, PRICER) as store:
        for by in ("request", "agent", "model", "evidence"):
            assert rollup(store, by) == breakdown(report, by)
    compacted(folder)
    with Embedded(folder, PRICER) as store:
        assert rollup(store, "request") == breakdown(report, "request")


def test_a_choice_takes_what_it_says(meter: Kept, tmp_path: Path) -> None:
    """Conditions on owners, leaves and whole requests, and on time, against the report's rows."""
    work()
    report = meter.report()
    journal(tmp_path, meter.entries, meter.tariffs)
    compacted(tmp_path)
    by_cost = {row.key: row for row in breakdown(report, "request")}
    limit = sorted(row.amounts["USD"] for row in by_cost.values())[3]
    starts = sorted(one.tree.record.started_ns for one in report.requests)
    with Embedded(tmp_path, PRICER) as store:

        def keys(*conditions: str, **more: int) -> set[str]:
            return {
                row.key for row in rollup(store, "request", Choice(conditions=conditions, **more))
            }

        assert keys(f"cost>{limit}") == {
            k for k, row in by_cost.items() if row.amounts["USD"] > limit
        }
        assert keys(f"cost<={limit}") | keys(f"cost>{limit}") == set(by_cost)
        assert keys("user=u-1", "calls>=8") == {
            one.request_id for one in report.requests
            if one.view.owner.user == "u-1" and one.calls >= 8
        }  # fmt: skip
        blue = {one.request_id for one in report.requests if one.view.owner.tags.get("team")}
        assert keys("tag:team=blue") == blue
        assert keys("user=-") == {UNATTRIBUTED}
        began = {
            one.request_id for one in report.requests if one.tree.record.started_ns >= starts[4]
        }
        assert keys(since_ns=starts[4]) - {UNATTRIBUTED} == began
        assert keys(until_ns=starts[0]) - {UNATTRIBUTED} == set()
        (row,) = rollup(store, "model", Choice(conditions=("model=gpt-5-mini", "agent=-")))
        (expected,) = (one for one in breakdown(report, "model") if one.key == "gpt-5-mini")
        assert row == expected
        assert rollup(store, "user", limit=2) == breakdown(report, "user")[:2]
