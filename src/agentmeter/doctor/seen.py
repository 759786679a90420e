"""What the journal has seen: models and whether they are priced, and the faults of its writers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentmeter.exceptions import SourceError
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

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "provider": self.provider,
            "model": self.model,
            "calls": self.calls,
            "unpriced": dict(self.unpriced),
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
    calls: dict[tuple[str | None, str | None], int] = {}
    gaps: dict[tuple[str | None, str | None], dict[str, int]] = {}
    for scope in _scopes(made):
        call = scope.record.call
        if call is None or call.charge is not None:
            continue
        key = (call.provider, call.response_model or call.model)
        calls[key] = calls.get(key, 0) + 1
        for reason in {gap.reason for gap in scope.cost.gaps}:
            reasons = gaps.setdefault(key, {})
            reasons[reason] = reasons.get(reason, 0) + 1
    return tuple(
        Model(*key, calls[key], gaps.get(key, {}))
        for key in sorted(calls, key=lambda key: (key[0] or "", key[1] or ""))
    )


def _scopes(made: Report) -> Iterator[ScopeReport]:
    unattributed = [made.unattributed] if made.unattributed is not None else []
    waiting = [one.tree for one in (*made.requests, *unattributed)]
    while waiting:
        scope = waiting.pop()
        yield scope
        waiting.extend(scope.children)
