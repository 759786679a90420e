"""What the journal has seen: models and whether they are priced, and the faults of its writers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentmeter.exceptions import SourceError
from agentmeter.model import Status
from agentmeter.report.report import Report, ScopeReport, build
from agentmeter.store.recorded import recorded


@dataclass(frozen=True, slots=True)
class Model:
    """A model that was called: how often, and why not all of it could be priced."""

    provider: str | None
    model: str | None
    calls: int
    unpriced: Mapping[str, int] = field(default_factory=dict)
    """Reason → calls that it holds for."""
    unknown: int = 0
    """Calls that did not fail, and of which some usage is not known."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "provider": self.provider,
            "model": self.model,
            "calls": self.calls,
            "unpriced": dict(self.unpriced),
            "unknown_usage": self.unknown,
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """What a journal holds; ``problem`` says why it could not be read."""

    source: str
    entries: int = 0
    requests: int = 0
    unattributed: int = 0
    """Calls outside of any request."""
    models: tuple[Model, ...] = ()
    faults: Mapping[str, int] = field(default_factory=dict)
    """What went wrong or was dropped, here in reading and in the processes that wrote, by place."""
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "source": self.source,
            "entries": self.entries,
            "requests": self.requests,
            "unattributed_calls": self.unattributed,
            "problem": self.problem,
        }


def seen_in(source: Path) -> Seen:
    """What a journal folder or a file holds."""
    try:
        entries, tariffs, faults = recorded(source)
    except SourceError as error:
        return Seen(str(source), problem=str(error))
    made = build(entries, tariffs)
    return Seen(
        str(source),
        len(entries),
        len(made.requests),
        made.unattributed.calls if made.unattributed is not None else 0,
        _models(made),
        faults,
    )


def _models(made: Report) -> tuple[Model, ...]:
    found: dict[tuple[str | None, str | None], list[ScopeReport]] = {}
    for scope in _scopes(made):
        call = scope.record.call
        if call is not None and scope.node.is_call and not call.is_charge:
            found.setdefault((call.provider, call.priced_model), []).append(scope)
    return tuple(
        _model(*key, found[key])
        for key in sorted(found, key=lambda key: (key[0] or "", key[1] or ""))
    )


def _model(provider: str | None, model: str | None, scopes: list[ScopeReport]) -> Model:
    reasons = Counter(
        reason for one in scopes for reason in dict.fromkeys(gap.reason for gap in one.cost.gaps)
    )
    return Model(provider, model, len(scopes), reasons, sum(map(_is_unknown, scopes)))


def _is_unknown(scope: ScopeReport) -> bool:
    """Whether a call that brought something has usage that nobody knows."""
    failed = scope.record.status in (Status.ERROR, Status.REFUSED)
    return not failed and any(gap.quantity is None for gap in scope.cost.gaps)


def _scopes(made: Report) -> Iterator[ScopeReport]:
    unattributed = [made.unattributed] if made.unattributed is not None else []
    waiting = [one.tree for one in (*made.requests, *unattributed)]
    while waiting:
        scope = waiting.pop()
        yield scope
        waiting.extend(scope.children)
