"""What is on record in a folder or a file, as entries and as a report."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from agentmeter.pricing import Cached, Catalog, Tariff
from agentmeter.report.pricing import priced_now
from agentmeter.report.report import Report, build
from agentmeter.store.reader import Contents, read

if TYPE_CHECKING:
    from agentmeter.model import Entry


def report_on(source: str | Path) -> Report:
    """The report on ``source``: a journal's folder, or a file or folder of OTLP JSON.

    What ``agentmeter report SOURCE`` prints: ``print`` it, ask its ``requests``, or ``to_json()``.
    Calls known from the spans of other instrumentations alone are priced now. Raises
    ``SourceError`` where there is nothing to read; what could not be read of it is in ``faults``.
    """
    was_on = gc.isenabled()
    gc.disable()  # collections in between would take as long as the reading
    try:
        contents = read(Path(source))
        entries, tariffs = _priced(contents)
        return build(entries, tariffs, faults=contents.faults(), sampled=contents.sampled)
    finally:
        if was_on:
            gc.enable()


def recorded(source: Path) -> "tuple[list[Entry], dict[str, Tariff], dict[str, int]]":
    """The entries of a source, the tariffs that they name, and what could not be read."""
    contents = read(source)
    return *_priced(contents), contents.faults()


def _priced(contents: Contents) -> "tuple[list[Entry], dict[str, Tariff]]":
    if not contents.foreign_spans:
        return contents.entries, contents.tariffs
    return priced_now(contents.entries, contents.tariffs, Cached(Catalog()))
