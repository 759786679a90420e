"""Records: the frozen values that scopes become, and the other entries of a journal.

An entry is a ``Record`` (a scope has closed), an ``Opened`` marker (a request has begun) or an
``Amendment`` (what is known since). Instants are integer nanoseconds since the Unix epoch, UTC.
Ids are lower-case hex: 32 digits for requests and traces, 16 for scopes and spans.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from agentmeter.model.call import NO_EVIDENCE, Call
from agentmeter.model.evidence import Evidence
from agentmeter.model.filled import filled_at_once
from agentmeter.model.owner import Owner
from agentmeter.model.segment import Segment
from agentmeter.model.usage import NO_USAGE, Usage

_NO_TAGS: Mapping[str, str] = MappingProxyType({})
_NO_SHARES: Mapping[str, int] = MappingProxyType({})


V = TypeVar("V")


def _ordered(given: Mapping[str, V], empty: Mapping[str, V]) -> Mapping[str, V]:
    """A read-only copy in the order of its keys; most are empty, and share one value."""
    return MappingProxyType(dict(sorted(given.items()))) if given else empty


class Kind(StrEnum):
    """What a scope is."""

    REQUEST = "request"
    AGENT = "agent"
    STEP = "step"
    BRANCH = "branch"
    TOOL = "tool"
    CALL = "call"
    LINK = "link"
    """A span of another instrumentation that is no scope: it only ties others together."""


class Status(StrEnum):
    """How a scope ended."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    """A stream or generator that its reader closed because it had enough."""
    CUT = "cut"
    """A stream that the server ended before its end."""
    REFUSED = "refused"
    """A call that a budget had no room for: it was not sent, and used nothing."""
    NEVER_CLOSED = "never_closed"
    """Opened, and nothing more is known: the process died, or is still at it."""


OURS = "agentmeter"
"""What the names of our own observers begin with."""

UNATTRIBUTED = "unattributed"
"""The request id of work that ran outside of any request."""


@filled_at_once
@dataclass(frozen=True, slots=True)
class Opened:
    """A scope has begun: lets a report name it, and its owner, if it never closes.

    Written when a request begins, and for a call that is still open when its request closes.
    """

    request_id: str
    scope_id: str
    name: str
    owner: Owner
    started_ns: int
    trace_id: str
    span_id: str
    parent_request_id: str | None = None
    kind: Kind = Kind.REQUEST
    parent_id: str | None = None
    provider: str | None = None
    model: str | None = None


@filled_at_once
@dataclass(frozen=True, slots=True)
class Record:
    """A closed scope.

    ``parent_id`` is the scope it was opened in, ``None`` for the root of a request.
    ``parent_request_id`` names the request that a billed-by-itself one was started from.
    ``observer`` is blank where agentmeter's own scope was closed, else the name of the integration
    or instrumentation that saw it; a span of another instrumentation has its span id as scope id,
    and a blank ``request_id`` where nothing on it says what it belongs to. ``shares`` are the
    requests that the work was done for, with their weights, where it was done for several. A gap
    in the positions below a scope, or fewer of them than its ``children``, tells of lost records.
    """

    request_id: str
    scope_id: str
    parent_id: str | None
    kind: Kind
    name: str
    owner: Owner
    started_ns: int
    ended_ns: int
    status: Status = Status.OK
    error_type: str | None = None
    call: Call | None = None
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    parent_request_id: str | None = None
    late: bool = False
    """Closed after its request had closed."""
    attributes: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)
    observer: str = ""
    shares: Mapping[str, int] = field(default_factory=lambda: _NO_SHARES)
    position: int = 0
    """1 for the first scope opened in its parent, 2 for the second …; 0 where nobody counted."""
    children: int = 0
    """How many scopes had been opened in this one when it closed."""

    def __post_init__(self) -> None:
        if self.attributes is not _NO_TAGS:
            object.__setattr__(self, "attributes", _ordered(self.attributes, _NO_TAGS))
        if self.shares is not _NO_SHARES:
            object.__setattr__(self, "shares", _ordered(self.shares, _NO_SHARES))

    @property
    def foreign(self) -> bool:
        """Whether this is a span of another instrumentation, not a scope of ours."""
        return bool(self.observer) and not self.observer.startswith(OURS)


@filled_at_once
@dataclass(frozen=True, slots=True)
class Amendment:
    """What is known of an earlier record since: nothing is changed, this is laid over it.

    ``usage`` and ``evidence`` replace meter by meter where their evidence is stronger;
    ``discarded`` marks a scope's work as thrown away (``True``) or kept (``False``), ``reason``
    says why; ``segments`` and ``input_digest`` say what a call's input was made of.
    """

    amendment_id: str
    request_id: str
    scope_id: str
    at_ns: int
    usage: Usage = NO_USAGE
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: NO_EVIDENCE)
    tariff: str | None = None
    discarded: bool | None = None
    reason: str | None = None
    segments: tuple[Segment, ...] = ()
    input_digest: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", _ordered(self.evidence, NO_EVIDENCE))


Entry = Record | Opened | Amendment
