"""What a library has of its own: how an endpoint's requests, answers and streams are read."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentmeter.integration.bounds import Bounds
from agentmeter.integration.lost import http_status_in, never_sent
from agentmeter.model import Attempt, Call
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.integration.exchange import Exchange
    from agentmeter.runtime.call import CallScope

Body = Mapping[str, Any]


class Accumulator:
    """What a stream has brought so far. A library derives its own, with ``see`` and ``facts``."""

    hides = False
    """Whether ``see`` may ask for an item to be kept from the caller."""

    def __init__(self) -> None:
        self.finished = False
        """Whether the stream has said that nothing more is generated."""
        self.texts: list[str] = []
        """What was generated, held until the stream ends, to be counted where nobody says."""

    def see(self, item: Any) -> bool:
        """Take an item of the stream; whether it is ours alone and to be hidden."""
        raise NotImplementedError

    def facts(self) -> Call:
        """What the stream has said of usage and identity.

        A side, ``input`` or ``output``, with the evidence ``UNKNOWN`` is counted from the text.
        """
        raise NotImplementedError

    @property
    def text(self) -> str | None:
        """All that was generated so far; ``None`` where that cannot be told."""
        return "".join(self.texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint of an API that bills usage: how its requests and answers are read."""

    operation: str
    """The conventions' ``gen_ai.operation.name``: ``chat``, ``embeddings`` …"""
    facts: Callable[[Any, str | None], Call]
    """What a whole answer says, as the client's object or as the body's mapping; and the provider,
    since those who speak the protocol of another may count otherwise."""
    accumulator: "Callable[[Exchange], Accumulator] | None" = None
    """What follows the stream that answers an exchange."""
    texts: Callable[[Any], Iterable[Any]] | None = None
    """What a whole answer has in it of generated text, counted where it does not say its usage;
    what is no text is passed over."""
    count_input: Callable[[Body, str], int] | None = None
    """Tokens of a body for a model; without it, input that nobody reports stays unknown."""
    shape: str | None = None
    """The shape of the body for provenance, one of ``runtime.provenance.pieces.SHAPES``."""
    answer_in: Callable[[BaseException], Any] | None = None
    """The answer that an error of the client carries, if any: it has been paid."""
    ask: Callable[[Body], Body | None] | None = None
    """The body to send in the place of the caller's, to be told the usage; ``None``: theirs."""
    from_body: Callable[[Body], Call] | None = None
    """What the body of a request tells of its bill, for answers that tell nothing of usage."""
    content: "Callable[[Exchange], Accumulator] | None" = None
    """What follows an answer that is no JSON, such as audio; without it that is unreadable."""
    later: "Callable[[CallScope], None] | None" = None
    """Told of a call that ended without its usage, which may come by another way."""
    beside: Callable[[Any], Iterable[Call]] | None = None
    """What an answer tells of other models' work for it: calls of their own."""
    bounds: Bounds | None = None
    """Where a body has its limits, for budgets; without it a call is open-ended to them."""

    def read(self, answer: Any, provider: str | None, body: Body | None) -> Call:
        """What an answer says; of what it used, else what the request's body tells."""
        said = self.facts(answer, provider)
        if self.from_body is None or said.usage or body is None:
            return said
        told = self.from_body(body)
        return replace(said, usage=told.usage, evidence=told.evidence)

    def text_in(self, answer: Any) -> str | None:
        """What a whole answer says; ``None`` for nothing, since what that took is not known."""
        said = self.texts(answer) if self.texts is not None else ()
        return "".join(one for one in said if isinstance(one, str)) or None


class Attempts:
    """The tries of one call, as they begin and end."""

    def __init__(self) -> None:
        self.done: list[Attempt] = []
        self._started: int | None = None

    def begin(self) -> None:
        """A request is being sent."""
        self._started = STATE.now_ns()

    def end(
        self, http_status: int | None, error_type: str | None = None, billed: bool | None = None
    ) -> None:
        """The try that began last is over; ``billed`` where one that failed is known to be."""
        if self._started is not None:
            tried = Attempt(self._started, STATE.now_ns(), http_status, error_type, billed)
            self.done.append(tried)
            self._started = None

    def failed(self, error: BaseException, named: str | None = None) -> None:
        """The try that began last brought ``error``, which the library's users know as ``named``"""
        status = http_status_in(error)
        if status is not None:
            self.end(status)
        else:
            self.end(None, named or type(error).__name__, False if never_sent(error) else None)
