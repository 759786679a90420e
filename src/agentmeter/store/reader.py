"""Reading records back: OTLP JSON or JSON lines, a file or a folder of them.

What cannot be read is reported with file and line, and everything else is kept.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from agentmeter.exceptions import SourceError
from agentmeter.model import Entry, Record
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv import names
from agentmeter.semconv.dialects import observed
from agentmeter.semconv.fields import SpanFields
from agentmeter.semconv.otlp import fields_from_json, odd_instants, schema_of, spans_in
from agentmeter.semconv.reading import entry_of

_SUFFIXES = (".jsonl", ".json", ".ndjson")


@dataclass(slots=True)
class Contents:
    """What a source held: entries, tariffs by digest, and the places that could not be read."""

    entries: list[Entry] = field(default_factory=list)
    tariffs: dict[str, Tariff] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    foreign_spans: int = 0
    recorded_faults: dict[str, dict[str, int]] = field(default_factory=dict)
    """What the writing processes counted as faults, by the id of the entry that says so."""

    def faults(self) -> dict[str, int]:
        """The problems of reading, and what the writers had counted, for a report."""
        counts = Counter(self.problems)
        for counted in self.recorded_faults.values():
            counts.update(counted)
        return dict(counts)


def read(source: str | Path) -> Contents:
    """Everything readable in ``source``, a file or a folder.

    Raises ``SourceError`` if the source is absent or if nothing in it could be read.
    """
    path = Path(source)
    if not path.exists():
        raise SourceError(
            f"{path}: no such file or folder; run an instrumented program first, "
            "or name a journal folder or an OTLP JSON file"
        )
    contents = Contents()
    for file in _files(path):
        _read_file(file, contents)
    if contents.problems and not contents.entries and not contents.foreign_spans:
        raise SourceError(f"nothing could be read: {'; '.join(contents.problems[:3])}")
    return contents


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES)


def _read_file(file: Path, contents: Contents) -> None:
    try:
        data = file.read_bytes()
    except OSError as error:
        contents.problems.append(f"{file}: cannot be read: {error.strerror}")
        return
    if b"\0" in data[:1024]:
        contents.problems.append(f"{file}: a binary file, not OTLP JSON")
        return
    newer: set[int] = set()
    for line, text in _documents(data):
        try:
            document = orjson.loads(text)
            spans = list(spans_in(document))
        except ValueError as error:
            contents.problems.append(f"{file}, line {line}: {_said(error)}")
            continue
        if schema_of(document) > names.SCHEMA_VERSION:
            newer.add(schema_of(document))
        for span, scope in spans:
            _read_span(span, scope, f"{file}, line {line}", contents)
    contents.problems.extend(
        f"{file}: written by a newer agentmeter (schema {version}, this one reads "
        f"{names.SCHEMA_VERSION}): what it does not know is missing; upgrade agentmeter-otel"
        for version in sorted(newer)
    )


def _documents(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Lines where the first line is a document of its own, else the whole file as one."""
    lines = data.splitlines()
    try:
        orjson.loads(lines[0] if lines else b"{}")
    except ValueError:
        try:
            orjson.loads(data)
        except ValueError:
            pass
        else:
            yield 1, data
            return
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line


def _said(error: ValueError) -> str:
    if isinstance(error, orjson.JSONDecodeError):
        return f"not JSON ({error.msg} at column {error.colno}); cut off, or not a journal"
    return str(error)


def _read_span(span: Any, scope: str, place: str, contents: Contents) -> None:
    if not isinstance(span, Mapping):
        contents.problems.append(f"{place}: not OTLP JSON: {span!r:.60} is no object")
        return
    try:
        fields = fields_from_json(span, scope)
        contents.problems.extend(f"{place}: {odd}" for odd in odd_instants(span))
        aside = _ASIDE.get(fields.attributes.get(names.ENTRY))
        if aside is not None:
            aside(fields, place, contents)
            return
        entry = entry_of(fields)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        contents.problems.append(f"{place}: {type(error).__name__}: {error}")
        return
    if entry is None:
        contents.problems.append(f"{place}: an entry of a kind that this version does not know")
    else:
        contents.entries.append(entry)


def _take_tariff(fields: SpanFields, place: str, contents: Contents) -> None:
    tariff = Tariff.from_json(orjson.loads(str(fields.attributes[names.TARIFF_BODY])))
    contents.tariffs[tariff.digest] = tariff


def _take_faults(fields: SpanFields, place: str, contents: Contents) -> None:
    contents.recorded_faults[fields.span_id] = {
        name.removeprefix(names.FAULT): count
        for name, count in fields.attributes.items()
        if name.startswith(names.FAULT) and isinstance(count, int)
    }


def _take_foreign(fields: SpanFields, place: str, contents: Contents) -> None:
    """A span of another instrumentation; what it says that cannot be right is told of."""
    record, problems = observed(fields)
    contents.entries.append(record)
    contents.foreign_spans += 1
    contents.problems.extend(f"{place}: {problem}" for problem in problems)


_ASIDE: dict[Any, Callable[[SpanFields, str, Contents], None]] = {
    "tariff": _take_tariff,
    "faults": _take_faults,
    None: _take_foreign,
}
"""What is no entry, by the kind that it states."""


def read_request(folder: Path, request_id: str) -> Iterable[Entry]:
    """The entries of one request in a journal folder, the work that it shares included."""
    found = _naming({request_id}, folder)
    shared = {one.request_id for one in found if isinstance(one, Record) and one.shares}
    if shared:
        found = _naming({request_id, *shared}, folder)
    own = {request_id, *shared}
    return [entry for entry in found if entry.request_id in own]


def read_on(folder: Path, read_so_far: dict[Path, int]) -> Contents:
    """What a journal folder has come to hold since; moves ``read_so_far`` (bytes by file) on.

    A line that is still being written is left for the next time.
    """
    contents = Contents()
    for file in _files(folder) if folder.is_dir() else ():
        begin = read_so_far.get(file, 0)
        if file.stat().st_size <= begin:
            continue
        with file.open("rb") as opened:
            opened.seek(begin)
            data = opened.read()
        whole = data.rfind(b"\n") + 1
        read_so_far[file] = begin + whole
        for number, line in enumerate(data[:whole].splitlines(), 1):
            _read_line(line, f"{file}, line {number} after byte {begin}", contents)
    return contents


def _naming(ids: set[str], folder: Path) -> list[Entry]:
    """The entries whose lines name one of ``ids``."""
    wanted = tuple(orjson.dumps(one)[1:-1] for one in ids)
    contents = Contents()
    for file in _files(folder):
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if any(one in line for one in wanted):
                    _read_line(line, f"{file}, line {number}", contents)
    return contents.entries


def _read_line(line: bytes, place: str, contents: Contents) -> None:
    try:
        for span, scope in spans_in(orjson.loads(line)):
            _read_span(span, scope, place, contents)
    except ValueError as error:
        contents.problems.append(f"{place}: {_said(error)}")
