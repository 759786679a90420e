"""Folders of records for tests: journals as a process leaves them, and their compaction."""

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from agentmeter.model import Entry
from agentmeter.pricing import Cached, GenAIPrices, Tariff
from agentmeter.semconv.writing import fields_of
from agentmeter.store.compact import Compacted, compact
from agentmeter.store.lines import line_of, tariff_fields

PRICER = Cached(GenAIPrices())
_numbers = count(1)


def journal(
    folder: Path, entries: Iterable[Entry], tariffs: Mapping[str, Tariff] | None = None
) -> Path:
    """A closed journal: its tariffs first, as a process writes them."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{next(_numbers)}-{next(_numbers):012x}.jsonl"
    lines = [line_of(tariff_fields(tariff)) for tariff in (tariffs or {}).values()]
    file.write_bytes(b"".join([*lines, *(line_of(fields_of(entry)) for entry in entries)]))
    return file


def compacted(folder: Path) -> Compacted:
    """Compact a folder with the default prices."""
    return compact(folder, PRICER)
