"""What every integration has to hold, as cases to run: metered equals billed, whatever happens.

    @pytest.mark.parametrize("case", conformance.cases(SUBJECT), ids=str)
    def test_it_conforms(case):
        case.run()

A ``Subject`` says how the integration's client is driven against a ``ModelServer``; every case
starts a server and a meter of its own. A case that does not hold raises ``AssertionError`` with
what was metered and what was billed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agentmeter.testing.conformance import calls as _calls
from agentmeter.testing.conformance import streams as _streams
from agentmeter.testing.conformance.subject import Subject


@dataclass(frozen=True, slots=True)
class Case:
    """One behaviour; ``str`` of it names it."""

    name: str
    check: Callable[[Subject], None]
    subject: Subject

    def __str__(self) -> str:
        return self.name

    def run(self) -> None:
        """Check it. Raises ``AssertionError``."""
        self.check(self.subject)


_CASES: tuple[tuple[str, Callable[[Subject], None], str], ...] = (
    ("plain", _calls.plain, "ask"),
    ("outside of a request", _calls.unattributed, "ask"),
    ("the answer is unchanged", _calls.answer_unchanged, "ask"),
    ("retry", _calls.retry, "retries"),
    ("error", _calls.error, "ask"),
    ("stream", _streams.stream, "stream"),
    ("stream closed by its reader", _streams.closed, "stream"),
    ("stream left by an error", _streams.left_by_an_error, "stream"),
    ("stream ended by the server", _streams.cut("clean"), "stream"),
    ("stream broken by the server", _streams.cut("reset"), "stream"),
    ("async", _calls.asynchronous, "ask_async"),
    ("async stream", _streams.async_stream, "stream_async"),
    ("async stream cancelled", _streams.cancelled, "stream_async"),
    ("threads", _calls.threads, "ask"),
    ("instrument twice", _calls.twice, "ask"),
    ("uninstrument", _calls.puts_back, "patched"),
    ("a budget without room", _calls.budget_refuses, "ask"),
    ("a fault in metering", _calls.host_goes_on, "ask"),
)


BEHAVIOURS = tuple(name for name, _, _ in _CASES)
"""The names of all cases."""


def cases(subject: Subject) -> list[Case]:
    """The cases that ``subject`` can be asked: those for which it has what they drive."""
    return [Case(name, check, subject) for name, check, needs in _CASES if getattr(subject, needs)]


__all__ = ["BEHAVIOURS", "Case", "Subject", "cases"]
