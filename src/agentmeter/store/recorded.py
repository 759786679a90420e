"""What is on record in a folder or a file, as entries and as a report."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from agentmeter.pricing import Cached, Catalog, Tariff
from agentmeter.report.pricing import priced_now
from agentmeter.report.report import Report, build
from agentmeter.store.reader import read

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
        entries, tariffs, faults = recorded(Path(source))
        return build(entries, tariffs, faults=faults)
    finally:
        if was_on:
            gc.enable()


def recorded(source: Path) -> "tuple[list[Entry], dict[str, Tariff], dict[str, int]]":
    """The entries of a source, the tariffs that they name, and what could not be read."""
    contents = read(source)
    entries, tariffs = contents.entries, contents.tariffs
    if contents.foreign_spans:
        entries, tariffs = priced_now(entries, tariffs, Cached(Catalog()))
    return entries, tariffs, contents.faults()
