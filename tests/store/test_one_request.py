"""One request is read without the rest of the folder, and reads the same as with it."""

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.strategies import ENTRIES
from tests.store.folders import PRICER, compacted, journal

from agentmeter.exceptions import SourceError
from agentmeter.model import Call, Entry, Kind, Owner, Record, Usage
from agentmeter.report.document import document
from agentmeter.report.report import build
from agentmeter.store.compact import compact
from agentmeter.store.lines import HEAD, TAIL
from agentmeter.store.one_request import read_one
from agentmeter.store.reader import read


def call(request: str, scope: int, **more: object) -> Record:
    given = {"trace_id": "e" * 32, "span_id": f"{scope:016x}", **more}
    spoken = Call("openai", "gpt-5", response_id=f"resp-{scope}", usage=Usage(input=scope))
    return Record(request, f"{scope:016x}", None, Kind.CALL, "c", Owner("u"), 1, 2, call=spoken,
                  **given)  # type: ignore[arg-type]  # fmt: skip


ONE, OTHER = "a1" * 16, "a2" * 16


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    entries=st.lists(ENTRIES, min_size=1, max_size=8, unique_by=lambda entry: entry.scope_id),
    compacts=st.booleans(),
)
def test_it_says_what_the_whole_folder_says(
    entries: list[Entry], compacts: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the folder holds: the one request, or ``None`` where others bear on it."""
    folder = tmp_path_factory.mktemp("f")
    journal(folder, entries[:5])
    if compacts:
        compact(folder, PRICER)
    journal(folder, entries[5:])
    whole = read(folder)
    for one in build(whole.entries, whole.tariffs).requests:
        found = read_one(folder, one.request_id) if one.request_id else None
        if found is not None:
            alone = build(found.entries, found.tariffs).only(one.request_id)
            wanted = build(whole.entries, whole.tariffs).only(one.request_id)
            assert document(alone) == document(wanted)


@pytest.mark.parametrize("compacts", [False, True])
def test_only_its_own_entries_are_read(compacts: bool, tmp_path: Path) -> None:
    """Another request and stray calls stay out; by its beginning, both that begin so come."""
    journal(tmp_path, [call(ONE, 1), call(OTHER, 2), call("unattributed", 3)])
    if compacts:
        compacted(tmp_path)
    journal(tmp_path, [call(ONE, 4)])
    found, both = read_one(tmp_path, ONE), read_one(tmp_path, "a")
    assert found is not None
    assert both is not None
    assert sorted(one.scope_id[-1] for one in found.entries) == ["1", "4"]
    assert sorted(one.scope_id[-1] for one in both.entries) == ["1", "2", "4"]
    assert read_one(tmp_path, "b") is None


@pytest.mark.parametrize("compacts", [False, True])
@pytest.mark.parametrize(
    "loose",
    [
        call("", 7, observer="theirs"),
        call("unattributed", 1),
        call("f" * 32, 7, shares={ONE: 1, OTHER: 1}),
    ],
    ids=["a span of its trace", "a stray call of its response", "work that it shares"],
)
def test_what_is_entangled_needs_the_whole_folder(
    loose: Record, compacts: bool, tmp_path: Path
) -> None:
    """Loose work that touches the request is not passed over."""
    journal(tmp_path, [call(ONE, 1), loose])
    if compacts:
        compacted(tmp_path)
    assert read_one(tmp_path, ONE) is None


def test_a_line_that_is_spelled_otherwise_is_read_all_the_same(tmp_path: Path) -> None:
    """With its keys in another order, or its characters escaped, as JSON may have them."""
    named = "r-\u00e9"
    journal(tmp_path, [call(named, 1), call(named, 2), call(named, 3), call(OTHER, 4)])
    (file,) = tmp_path.glob("*.jsonl")
    own, swapped, escaped, other = file.read_bytes().splitlines(keepends=True)
    span = orjson.loads(swapped[len(HEAD) : -len(TAIL)])
    span["attributes"] = [dict(reversed(one.items())) for one in span["attributes"]]
    swapped = HEAD + orjson.dumps(span) + TAIL
    escaped = escaped.replace(named.encode(), b"r-\\u00e9")
    file.write_bytes(own + swapped + escaped + other)
    found = read_one(tmp_path, named)
    assert found is not None
    assert sorted(one.scope_id[-1] for one in found.entries) == ["1", "2", "3"]


def test_a_torn_line_is_told_of(tmp_path: Path) -> None:
    """What could not be read may have been the request's, and is said with its line."""
    file = journal(tmp_path, [call(ONE, 1)])
    with file.open("ab") as more:
        more.write(b'{"resourceSpans":[')
    found = read_one(tmp_path, ONE)
    assert found is not None
    assert [one.partition(":")[0] for one in found.problems] == [f"{file}, line 2"]


def test_a_damaged_generation_is_left_to_the_whole_reading(tmp_path: Path) -> None:
    """Parquet that cannot be read is reported by the report over everything."""
    journal(tmp_path, [call(ONE, 1)])
    compacted(tmp_path)
    (file,) = tmp_path.glob("*.entries.parquet")
    file.write_bytes(b"no parquet")
    assert read_one(tmp_path, ONE) is None
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        read(tmp_path)


def test_one_request_of_a_sampled_pipeline_is_told_of_as_with_the_whole_folder(
    tmp_path: Path,
) -> None:
    """What is known of it alone is known of a pipeline that dropped others."""
    span = {
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "name": "chat",
        "traceState": "ot=th:8",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        "attributes": [
            {"key": name, "value": {"stringValue": value}}
            for name, value in (
                ("agentmeter.request.id", ONE),
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.provider.name", "openai"),
            )
        ],
    }
    document = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]}
    (tmp_path / "spans.json").write_bytes(orjson.dumps(document))
    one = read_one(tmp_path, ONE)
    assert one is not None
    assert one.sampled == read(tmp_path).sampled == 1
