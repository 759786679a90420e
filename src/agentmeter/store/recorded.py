"""What is on record in a folder or a file, as entries and as a report."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from agentmeter.pricing import Cached, Catalog, Tariff
from agentmeter.report.pricing import priced_now
from agentmeter.report.report import Report, build
from agentmeter.store.one_request import read_one
from agentmeter.store.reader import Contents, read

if TYPE_CHECKING:
    from collections.abc import Collection

    from agentmeter.model import Entry


def report_holding(
    source: Path, request_id: str | None = None, running: "Collection[str]" = ()
) -> Report:
    """The report on ``source``; with an id, other requests may be left out of it.

    ``running`` are the ids of the requests that this process has open.
    Calls known from the spans of other instrumentations alone are priced now. Raises
    ``SourceError`` where there is nothing to read.
    """
    was_on = gc.isenabled()
    gc.disable()  # collections in between would take as long as the reading
    try:
        contents = _contents(source, request_id)
        entries, tariffs = _priced(contents)
        told = contents.faults(), contents.sampled
        return build(entries, tariffs, faults=told[0], sampled=told[1], running=running)
    finally:
        if was_on:
            gc.enable()


def recorded(source: Path) -> "tuple[list[Entry], dict[str, Tariff], dict[str, int]]":
    """The entries of a source, the tariffs that they name, and what could not be read."""
    contents = read(source)
    return *_priced(contents), contents.faults()


def _contents(source: Path, request_id: str | None) -> Contents:
    """What a source holds; of a folder no more than the request, where that stands for itself."""
    one = read_one(source, request_id) if request_id and source.is_dir() else None
    return one or read(source)


def _priced(contents: Contents) -> "tuple[list[Entry], dict[str, Tariff]]":
    if not contents.foreign_spans:
        return contents.entries, contents.tariffs
    return priced_now(contents.entries, contents.tariffs, Cached(Catalog()))
