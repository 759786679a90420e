"""What every framework's test runs: an agent whose model asks for two tools at once."""

from collections.abc import Iterator
from typing import Any

from agentmeter.report.report import Report
from agentmeter.testing import ModelServer, Reply

CITIES = ("Oslo", "Rome")
ASKS = Reply(
    text="I look it up.",
    input=1200,
    cached=1000,
    output=60,
    reasoning=16,
    tool_calls=tuple(("get_weather", f'{{"city": "{city}"}}') for city in CITIES),
)
ANSWERS = Reply(text="Oslo 3C, Rome 18C.", input=1400, cached=1152, output=30)
LOOP = (ASKS, ANSWERS)
INNER = Reply(text="3C", input=10, output=2)
"""The answer to a call that a tool makes itself."""


def amounts_to(report: Report, server: ModelServer) -> None:
    """All that was billed is on one request, each call once and reported whole."""
    (request,) = report.requests
    assert report.unattributed is None
    billed = server.billed()
    used = request.usage
    assert (used.total_input, used.total_output) == (billed.input, billed.output)
    if "input_unsplit" not in used:
        assert used.get("cache_read", 0) == billed.cached
    if "output_unsplit" not in used:
        assert used.get("reasoning", 0) == billed.reasoning
    assert len(list(calls(request.tree))) == billed.calls
    assert set(request.evidence) == {"reported"}


def calls(node: Any) -> Iterator[Any]:
    """The leaves of a report's tree that consumed."""
    if node.record.kind == "call" and not node.children:
        yield node
    for child in node.children:
        yield from calls(child)


def outline(node: Any) -> Any:
    """Kinds and names as a nested list, siblings in order of their text where they are alike."""
    record = node.record
    own = f"{record.kind.value} {record.name}"
    below = [outline(child) for child in node.children]
    return [own, *below] if below else own
