"""What is put to the test, and how what was metered is held against what was billed."""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from agentmeter.integration import Integration
from agentmeter.model import Extent, Record
from agentmeter.runtime.faults import FAULTS
from agentmeter.testing.meter import Kept, metered
from agentmeter.testing.script import Reply
from agentmeter.testing.server import ModelServer
from agentmeter.testing.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An integration, and how its client is driven. Leave out what the client does not have."""

    integration: Integration
    ask: Callable[[ModelServer], Any]
    """Make one plain call."""
    stream: Callable[[ModelServer], AbstractContextManager[Iterator[Any]]] | None = None
    """Begin one streamed call; the items come inside, and leaving closes the stream."""
    ask_async: Callable[[ModelServer], Awaitable[Any]] | None = None
    stream_async: Callable[[ModelServer], AbstractAsyncContextManager[Any]] | None = None
    patched: Sequence[type] = ()
    """The classes in which the integration replaces methods."""
    retries: bool = True
    """Whether the client tries again by itself after a 500."""
    reply: Reply = field(
        default_factory=lambda: Reply(
            text="alpha beta gamma delta", input=1200, cached=1000, output=60, reasoning=16
        )
    )
    """What the server answers; keep to what the protocol can say."""
    wires: Mapping[str, Wire] = field(default_factory=dict)
    """The protocol, by the ends of its paths, where the server does not speak it."""


@contextmanager
def running(
    subject: Subject, *replies: Reply, on: bool = True
) -> Iterator[tuple[ModelServer, Kept]]:
    """A server and a meter, the integration switched on; no fault may be left."""
    with (
        metered() as meter,
        ModelServer(*replies, default=subject.reply, wires=subject.wires) as server,
    ):
        if on:
            subject.integration.instrument()
        try:
            yield server, meter
        finally:
            subject.integration.uninstrument()
        expect("faults", FAULTS.counts(), {})


def expect(what: str, found: object, wanted: object) -> None:
    """Raises ``AssertionError`` unless what was found is what was wanted."""
    if found != wanted:
        raise AssertionError(f"{what}: metered {found}, wanted {wanted}")


def calls_of(meter: Kept) -> list[Record]:
    """The calls with their late counts, as a report has them."""
    report = meter.report()
    every = [*report.requests, *([report.unattributed] if report.unattributed else [])]
    return [
        node.record for one in every for node in _nodes(one.tree) if node.record.call is not None
    ]


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def amounts_to_the_bill(server: ModelServer, meter: Kept, calls: int = 1) -> None:
    """All was reported, and it is what the server bills."""
    found = [record.call for record in calls_of(meter) if record.call is not None]
    bill = server.billed()
    expect("calls", (len(found), bill.calls), (calls, calls))
    names = ("cache_read", "cache_write_5m", "cache_write_1h", "reasoning", "web_search")
    used = [sum(call.usage.get(name, 0) for call in found) for name in names]
    expect(
        f"usage by {names}",
        tuple(used),
        (*(bill.cached, bill.written_5m, bill.written_1h, bill.reasoning, bill.web_search),),
    )
    total = [sum(getattr(call.usage, name) for call in found) for name in _TOTALS]
    expect("input and output", tuple(total), (bill.input, bill.output))
    evidence = {str(known) for call in found for known in call.evidence.values()}
    expect("evidence", evidence, {"reported"})


_TOTALS = ("total_input", "total_output")


def partial(meter: Kept, status: str) -> None:
    """One call that ended so; nothing of its output passes for the whole."""
    (record,) = calls_of(meter)
    expect("status", record.status.value, status)
    assert record.call is not None
    output = record.call.evidence.get("output")
    if output is None or output.extent is Extent.WHOLE:
        raise AssertionError(f"output of a stream cut short: evidence {output}, wanted at_least")
    if "input" not in record.call.evidence and not record.call.usage.total_input:
        raise AssertionError("input of a stream cut short: nothing is said of it")


def shown(value: object) -> str:
    """``value`` as text, without what differs from one run to the next."""
    return re.sub(r"0x[0-9a-f]+|127\.0\.0\.1:\d+", "…", repr(value))
