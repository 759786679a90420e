"""Journals and other OTLP JSON read into rows, each line once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from agentmeter.model import Record
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import Tariff
from agentmeter.report.pricing import asked
from agentmeter.semconv.otlp import span_json
from agentmeter.store.folder import is_journal
from agentmeter.store.lines import tariff_fields
from agentmeter.store.own_lines import own_row
from agentmeter.store.reader import documents, is_binary
from agentmeter.store.rows import Row, rows_of
from agentmeter.store.shelves import Shelves

Progress = Callable[[str, int, int], None]
"""Told of a stage, how far it is, and how far it goes."""

_TOLD_BYTES = 1 << 22
HASHED = ("entry", "scope", "body", "place", "problem", "asked_tariff", "asked_unpriced")
"""The columns that an entry is read back from, and its digest is over."""


def silent(stage: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(slots=True)
class Source:
    """The entries of journals as rows, each read once.

    Not ``careful``, lines that look like our own are not read in full (see ``own_lines``); the
    resolver, which does so, then says whether something in them was odd.
    """

    work: Path
    pricer: Pricer
    progress: Progress = silent
    careful: bool = True
    digest: int = 0
    problems: list[str] = field(default_factory=list)
    lines: Shelves = field(init=False)
    _tariffs: dict[str, Tariff] = field(default_factory=dict)
    _written: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.lines = Shelves(self.work / "entries.jsonl")

    def take(self, files: Iterable[Path]) -> None:
        """Read all that is in ``files`` into ``lines``."""
        found = list(files)
        total = sum(file.stat().st_size for file in found)
        done = told = 0
        with self.lines:
            for file in found:
                for number, line in self._pieces(file):
                    if line.strip():
                        self._line(line, f"{file}, line {number}")
                    done += len(line) + 1
                    if done - told > _TOLD_BYTES:
                        told = done
                        self.progress("reading journals", done, total)
            self._add_asked()
        self.progress("reading journals", total, total)

    def _pieces(self, file: Path) -> Iterator[tuple[int, bytes]]:
        """The lines of a journal, or the documents of another file of OTLP JSON."""
        if is_binary(file):
            self.problems.append(f"{file}: a binary file, not OTLP JSON")
        elif is_journal(file):
            with file.open("rb") as handle:
                yield from enumerate(_lines(handle), 1)
        else:
            yield from documents(file.read_bytes())

    def _line(self, line: bytes, place: str) -> None:
        own = None if self.careful else own_row(line)
        if own is not None:
            self._put(own)
            return
        for row, read in rows_of(line, place):
            self.problems.extend(read.problems)
            if read.tariff is not None:
                if read.tariff.digest in self._written:
                    continue  # every process writes it once; once for all is enough
                self._written.add(read.tariff.digest)
            if read.foreign and isinstance(read.entry, Record):
                self._ask(row, read.entry)
            self._put(row)

    def _ask(self, row: Row, record: Record) -> None:
        answered = asked(record, self._tariffs, self.pricer)
        if isinstance(answered, Record) and answered is not record and answered.call is not None:
            row["asked_tariff"] = answered.call.tariff
            row["asked_unpriced"] = answered.call.unpriced

    def _add_asked(self) -> None:
        for digest, tariff in self._tariffs.items():
            if digest not in self._written:
                body = orjson.dumps(span_json(tariff_fields(tariff))).decode()
                scope = '{"name":"agentmeter"}'
                self._put({"entry": "tariff", "request_id": "", "scope_id": digest, "body": body,
                           "scope": scope})  # fmt: skip

    def _put(self, row: Row) -> None:
        self.digest += row_digest(tuple(row.get(name) for name in HASHED))
        self.lines.put(row)


def _lines(handle: Iterable[bytes]) -> Iterator[bytes]:
    """Lines as the reader has them: a carriage return ends one too."""
    for line in handle:
        yield from line.splitlines() or (b"",)


def row_digest(values: tuple[Any, ...]) -> int:
    """A hash of what a row was made of; the sum over all rows does not depend on their order."""
    return int.from_bytes(blake2b(repr(values).encode(), digest_size=16).digest(), "big")
