"""Records: the frozen values that scopes become, and the other entries of a journal.

An entry is a ``Record`` (a scope has closed), an ``Opened`` marker (a request has begun) or an
``Amendment`` (what is known since). Instants are integer nanoseconds since the Unix epoch, UTC.
Ids are lower-case hex: 32 digits for requests and traces, 16 for scopes and spans.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from agentmeter.model.evidence import Evidence
from agentmeter.model.money import Money
from agentmeter.model.usage import Usage

_NO_TAGS: Mapping[str, str] = MappingProxyType({})
_NO_EVIDENCE: Mapping[str, Evidence] = MappingProxyType({})


class Kind(StrEnum):
    """What a scope is."""

    REQUEST = "request"
    AGENT = "agent"
    STEP = "step"
    BRANCH = "branch"
    TOOL = "tool"
    CALL = "call"


class Status(StrEnum):
    """How a scope ended."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    CLOSED = "closed"
    """A stream or generator that its reader closed because it had enough."""
    CUT = "cut"
    """A stream that the server ended before its end."""
    NEVER_CLOSED = "never_closed"
    """Opened, and nothing more is known: the process died, or is still at it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a request is billed to. Blank fields are ``None``; tags are free text by name."""

    user: str | None = None
    tenant: str | None = None
    feature: str | None = None
    plan: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", MappingProxyType(dict(sorted(self.tags.items()))))

    def filled_from(self, other: "Owner") -> "Owner":
        """An owner like this one, with its blank fields taken from ``other``."""
        return Owner(
            self.user if self.user is not None else other.user,
            self.tenant if self.tenant is not None else other.tenant,
            self.feature if self.feature is not None else other.feature,
            self.plan if self.plan is not None else other.plan,
            {**other.tags, **self.tags},
        )


NOBODY = Owner()

UNATTRIBUTED = "unattributed"
"""The request id of work that ran outside of any request."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call. ``http_status`` is ``None`` where no response arrived."""

    started_ns: int
    ended_ns: int
    http_status: int | None = None
    error_type: str | None = None
    billed: bool | None = None
    """Whether a failed attempt is known to be billed; ``None`` where that is not known."""

    @property
    def failed(self) -> bool:
        """An attempt that brought no usable response."""
        return self.error_type is not None or (self.http_status or 200) >= 400


@dataclass(frozen=True, slots=True)
class Call:
    """What a leaf consumed, and from whom.

    ``usage`` by meter with ``evidence`` by meter; a meter with evidence ``unknown`` has no
    quantity. ``tariff`` is the digest of the tariff that priced the call when it was made.
    """

    provider: str | None = None
    model: str | None = None
    operation: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    service_tier: str | None = None
    stream: bool = False
    finish_reasons: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = field(default_factory=Usage)
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: _NO_EVIDENCE)
    charge: Money | None = None
    tariff: str | None = None
    unpriced: str | None = None
    """Why there was no tariff, where there was none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", MappingProxyType(dict(sorted(self.evidence.items()))))

    @property
    def priced_model(self) -> str | None:
        """The model that answered, else the one that was asked."""
        return self.response_model or self.model


@dataclass(frozen=True, slots=True)
class Opened:
    """A request has begun: lets a report name it, and its owner, if it never closes."""

    request_id: str
    scope_id: str
    name: str
    owner: Owner
    started_ns: int
    trace_id: str
    span_id: str
    parent_request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A closed scope.

    ``parent_id`` is the scope it was opened in, ``None`` for the root of a request.
    ``parent_request_id`` names the request that a billed-by-itself one was started from.
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

    def __post_init__(self) -> None:
        ordered = MappingProxyType(dict(sorted(self.attributes.items())))
        object.__setattr__(self, "attributes", ordered)


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is known of an earlier record since: nothing is changed, this is laid over it.

    ``usage`` and ``evidence`` replace meter by meter where their evidence is stronger;
    ``discarded`` marks a branch as thrown away (``True``) or kept (``False``).
    """

    amendment_id: str
    request_id: str
    scope_id: str
    at_ns: int
    usage: Usage = field(default_factory=Usage)
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: _NO_EVIDENCE)
    tariff: str | None = None
    discarded: bool | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", MappingProxyType(dict(sorted(self.evidence.items()))))


Entry = Record | Opened | Amendment
