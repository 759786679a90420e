"""``configure`` and ``instrument``: the one place that wires runtime, store and pricing."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmeter.api.configuring import configure
from agentmeter.runtime import unfinished
from agentmeter.runtime.counting import run_out
from agentmeter.runtime.ledger import running
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.report.report import Report


def flush(timeout: float = 5.0) -> bool:
    """Write everything that is metered so far, and tell the alerts that are due.

    Returns whether it was done within ``timeout`` seconds.
    """
    written = unfinished.flush(timeout)
    return run_out(timeout) and written


def report_on(source: str | Path) -> "Report":
    """The report on ``source``: a journal's folder, or a file or folder of OTLP JSON.

    What ``agentmeter report SOURCE`` prints: ``print`` it, ask its ``requests``, or ``to_json()``.
    What this process has metered so far is written first. Calls known from the spans of other
    instrumentations alone are priced now. Raises ``SourceError`` where there is nothing to read;
    what could not be read of it is in ``faults``. A request without an end on record is a lower
    bound, unless this process has it open.
    """
    from agentmeter.store.recorded import report_holding

    flush()
    return report_holding(Path(source), running=running())


def instrument(*only: str) -> dict[str, bool]:
    """Switch on every integration whose library is installed, or just those named.

    Idempotent. Returns which are on, by name; one that fails to switch on is counted as a fault.
    """
    from agentmeter.integration import switch_on

    STATE.ready()
    return switch_on(only)


def uninstrument(*only: str) -> None:
    """Put back everything that ``instrument`` changed."""
    from agentmeter.integration import switch_off

    switch_off(only)


def _set_up(settings: Mapping[str, Any], integrations: tuple[str, ...]) -> None:
    configure(**settings)
    if integrations:
        instrument(*integrations)


STATE.configure_default = configure
STATE.set_up = _set_up

__all__ = ["configure", "flush", "instrument", "report_on", "uninstrument"]
