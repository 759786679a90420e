"""Several sinks as one: each gets every entry, and none waits for another."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agentmeter.model import Entry
from agentmeter.runtime.state import Sink
from agentmeter.semconv.fields import Attributes

if TYPE_CHECKING:
    from agentmeter.pricing.tariff import Tariff


class Sinks:
    """A sink that hands everything on."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self.sinks = tuple(sinks)

    def put(
        self,
        entry: Entry,
        tariff: "Tariff | None" = None,
        attributes: Attributes | None = None,
    ) -> None:
        """Hand an entry to each."""
        for sink in self.sinks:
            sink.put(entry, tariff, attributes)

    def flush(self, timeout: float = 5.0) -> bool:
        """Flush each, within ``timeout`` seconds for all; whether all did."""
        until = time.monotonic() + timeout
        done = [sink.flush(max(0.0, until - time.monotonic())) for sink in self.sinks]
        return all(done)

    def close(self) -> None:
        """Close each, the last first, so that the first can tell of what it lost."""
        for sink in reversed(self.sinks):
            sink.close()
