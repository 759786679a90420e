"""Rows taken from our own lines are those that reading each entry in full gives."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.property.strategies import ENTRIES
from tests.store.folders import PRICER, journal

from agentmeter.model import Attempt, Call, Entry, Kind, Owner, Record, Usage
from agentmeter.semconv.writing import fields_of
from agentmeter.store.compact import compact
from agentmeter.store.engine import Embedded
from agentmeter.store.lines import line_of
from agentmeter.store.own_lines import own_row
from agentmeter.store.reader import read
from agentmeter.store.rows import rows_of

RECORD = Record(
    "a" * 32, "b" * 16, "c" * 16, Kind.CALL, "chat", Owner("u", tags={"team": "x"}), 5, 9,
    call=Call("openai", "gpt-5", response_model="gpt-5-mini", usage=Usage(input=3, output=4),
              attempts=(Attempt(5, 9, 200),)),
    trace_id="d" * 32, span_id="b" * 16,
)  # fmt: skip


def told(row: dict[str, object]) -> dict[str, object]:
    """A row without the columns that are NULL."""
    return {name: value for name, value in row.items() if value is not None}


@settings(max_examples=300, deadline=None)
@given(entry=ENTRIES)
def test_a_row_is_the_one_of_the_entry_or_none(entry: Entry) -> None:
    """Whatever an entry holds: the quick row has the very values of the careful one."""
    line = line_of(fields_of(entry))
    quick = own_row(line)
    ((careful, _),) = rows_of(line, "here")
    assert quick is None or told(quick) == told(careful)


def test_an_ordinary_record_is_read_the_quick_way() -> None:
    """The common case does not fall back, with or without a call."""
    for record in (RECORD, Record("a" * 32, "b" * 16, None, Kind.REQUEST, "r", Owner(), 1, 2)):
        assert own_row(line_of(fields_of(record))) is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"record"', b'"opened"'),
        (b'"call"', b'"of the future"'),
        (b'"stringValue":"chat"', b'"intValue":"7"'),
        (b'"agentmeter.usage.input"', b'"agentmeter.usage.never_heard"'),
        (b'"startTimeUnixNano":"5"', b'"startTimeUnixNano":"-5"'),
        (b'"service.name"', b'"service.nome"'),
        (b'"agentmeter.request.id"', b'"agentmeter.request.it"'),
    ],
)
def test_what_is_not_plain_is_read_in_full(before: bytes, after: bytes) -> None:
    """Another kind, type, meter, instant or resource is none of the quick way's business."""
    line = line_of(fields_of(RECORD))
    assert before in line
    assert own_row(line.replace(before, after, 1)) is None


def test_an_oddity_that_only_full_reading_sees_is_told_with_its_place(tmp_path: Path) -> None:
    """An attempt that is no attempt passes the quick way; the problem still names file and line."""
    file = journal(tmp_path, [RECORD, RECORD])
    first, second = file.read_bytes().splitlines(keepends=True)
    odd = second.replace(b"5|9|200", b"five|9|")
    assert own_row(odd) is not None
    file.write_bytes(first + odd)
    before = read(tmp_path).problems
    done = compact(tmp_path, PRICER)
    assert list(done.problems) == before == read(tmp_path).problems
    assert before[0].startswith(f"{file}, line 2: ValueError")
    with Embedded(tmp_path, PRICER) as store:
        assert store.problems == before
