"""What every framework's test runs: an agent whose model asks for two tools at once."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import agentmeter as am
from agentmeter.report.report import Report
from agentmeter.testing import Kept, ModelServer, Reply

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


def two_agents_in_a_pool(
    run: Callable[[ModelServer], Any], meter: Kept, loop: Sequence[Reply] = LOOP
) -> None:
    """An application's own threads, which two requests use one after the other, run ``run``.

    The agents take the replies in any order: each goes on until it is given an answer.
    """
    with ThreadPoolExecutor(2) as pool, ModelServer(*loop * 4) as server:
        for user in ("a", "b"):
            with am.request("ask", user=user):
                assert len(list(pool.map(run, [server] * 2))) == 2
    report = meter.report()
    assert report.unattributed is None
    assert [one.tree.record.owner.user for one in report.requests] == ["a", "b"]
    for one in report.requests:
        assert [child.record.name for child in one.tree.children] == ["planner"] * 2
        below = Counter(below.record.kind.value for below in _all_below(one.tree))
        tools = sum(len(reply.tool_calls) for reply in loop)
        assert below == {"agent": 2, "call": 2 * len(loop), "tool": 2 * tools}
        billed = 2 * sum(reply.input for reply in loop), 2 * sum(reply.output for reply in loop)
        assert (one.usage.total_input, one.usage.total_output) == billed


def _all_below(node: Any) -> Iterator[Any]:
    for child in node.children:
        yield child
        yield from _all_below(child)
