"""Calls: what a leaf consumed, from whom, and in how many tries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from agentmeter.model.evidence import Evidence, Source
from agentmeter.model.filled import filled_at_once
from agentmeter.model.money import Money
from agentmeter.model.segment import Segment
from agentmeter.model.usage import NO_USAGE, Usage

NO_EVIDENCE: Mapping[str, Evidence] = MappingProxyType({})


@filled_at_once
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

    @property
    def refused(self) -> bool:
        """Known to have used nothing: answered with an error, or never sent."""
        return self.billed is False or (self.billed is None and (self.http_status or 200) >= 400)

    @property
    def lost(self) -> bool:
        """Sent, and its answer was never read: what it used, and bills, nobody here knows."""
        return self.error_type is not None and self.http_status is None and self.billed is None


@filled_at_once
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
    """The tier that served, as the provider names it."""
    batch: bool = False
    speed: str | None = None
    region: str | None = None
    """Where it was served, as the provider names it: ``eu``, ``us-east5`` …"""
    deployment: str | None = None
    """The kind of deployment: ``eu-datazone``, ``global`` …"""
    search_context: str | None = None
    """How much a search put into the context: ``low``, ``medium`` or ``high``."""
    stream: bool = False
    finish_reasons: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    usage: Usage = NO_USAGE
    evidence: Mapping[str, Evidence] = field(default_factory=lambda: NO_EVIDENCE)
    charge: Money | None = None
    tariff: str | None = None
    unpriced: str | None = None
    """Why there was no tariff, where there was none."""
    calls: int = 1
    """How many calls this one stands for: more where a ledger has folded them, and none for what
    a scope reports beyond the calls that are known."""
    segments: tuple[Segment, ...] = ()
    """The pieces of the input, where they were told apart."""
    input_digest: str | None = None
    """16 hex digits of a keyed hash over all that was asked: calls that are alike share it."""

    def __post_init__(self) -> None:
        if self.evidence is not NO_EVIDENCE:
            ordered = MappingProxyType(dict(sorted(self.evidence.items())))
            object.__setattr__(self, "evidence", ordered)

    @property
    def priced_model(self) -> str | None:
        """The model that answered, else the one that was asked."""
        return self.response_model or self.model

    @property
    def is_charge(self) -> bool:
        """Whether the application itself says what this cost or consumed, by its own name."""
        if self.charge is not None and not self.usage:
            return True
        for known in self.evidence.values():
            if known.source is not Source.CHARGED:
                return False
        return bool(self.evidence)
