"""Watching other instrumentations: every span of theirs is stamped with the request at its start,
and what a GenAI span of theirs says is taken into the ledger and the journal at its end.
"""

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from agentmeter.model import UNATTRIBUTED, Kind, Record
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.scope import Scope, emit, with_busy_time
from agentmeter.runtime.state import STATE
from agentmeter.semconv import names
from agentmeter.semconv.fields import SpanFields
from agentmeter.semconv.writing import owner_attributes

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Span

    from agentmeter.pricing.tariff import Tariff

_OURS = "agentmeter"
_MOST_OPEN = 100_000
_watched: WeakSet[trace.TracerProvider] = WeakSet()


def fields_of_span(span: "ReadableSpan") -> SpanFields:
    """A span of the SDK as every carrier has it."""
    context, parent, scope = span.context, span.parent, span.instrumentation_scope
    started = span.start_time or 0
    return SpanFields(
        name=span.name,
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=format_span_id(parent.span_id) if parent is not None else None,
        started_ns=started,
        ended_ns=max(started, span.end_time or started),
        attributes={
            name: value if isinstance(value, (str, bool, int, float)) else _texts(value)
            for name, value in (span.attributes or {}).items()
        },
        scope=scope.name if scope is not None else "",
        failed=span.status.status_code is StatusCode.ERROR,
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, (tuple, list)) else (str(value),)


def watch(provider: trace.TracerProvider) -> None:
    """See to it, once for every provider, that the spans of others are stamped and read."""
    if provider in _watched:
        return
    add = getattr(provider, "add_span_processor", None)
    if add is not None:
        _watched.add(provider)
        with guarded("span processor"):
            add(_processor())


class Watch:
    """The spans of others that are open, and what has to be known of them when they end."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: dict[int, tuple[Any, Scope | None]] = {}
        self._links: set[int] = set()

    def started(self, span: "Span", context: Context | None) -> None:
        """A span begins: of ours it only matters what it lies in."""
        if _is_ours(span):
            self._tie(span)
            return
        scope = current_scope(context)
        self._open[span.context.span_id] = (span, scope)
        if len(self._open) > _MOST_OPEN:  # spans that never end
            self._open.clear()
        if scope is not None and names.REQUEST_ID not in (span.attributes or {}):
            owner = owner_attributes(scope.owner) if STATE.stamp_owner else {}
            ids = {names.REQUEST_ID: scope.request_id, names.SCOPE_ID: scope.scope_id}
            span.set_attributes({**ids, **owner})

    def ended(self, span: "ReadableSpan") -> None:
        """A span ends: a GenAI span is recorded, and one that ties such spans together."""
        if _is_ours(span):
            return
        span_id = span.context.span_id
        _, scope = self._open.pop(span_id, (None, None))
        ties = span_id in self._links
        self._links.discard(span_id)
        if not ties and not _tells(span):
            return
        from agentmeter.semconv.dialects import observed

        record, problems = observed(fields_of_span(span))
        for problem in problems:
            FAULTS.count(f"span of {record.observer}: {problem}")
        if record.kind is not Kind.LINK or ties:
            self._tie(span)
            _record(record, scope)

    def tells_of_the_call(self, scope: Scope) -> bool:
        """Whether a span of others around this call, or inside it, carries the call's usage."""
        if scope.span is None:
            return False
        at = getattr(scope.span, "parent", None)
        while at is not None and at.span_id in self._open:
            span, _ = self._open[at.span_id]
            if any(name.startswith("gen_ai.request.") for name in span.attributes or {}):
                return True
            at = span.parent
        return isinstance(scope, CallScope) and scope.told_by_others

    def _tie(self, span: "ReadableSpan") -> None:
        """Remember the open spans above, so that they are written as links when they end."""
        at = span.parent
        while at is not None and at.span_id in self._open and at.span_id not in self._links:
            self._links.add(at.span_id)
            at = self._open[at.span_id][0].parent


WATCH = Watch()


def _is_ours(span: "ReadableSpan") -> bool:
    made_by = span.instrumentation_scope
    return made_by is not None and made_by.name == _OURS


def _tells(span: "ReadableSpan") -> bool:
    """Whether any attribute is of a GenAI dialect; quick, since every span of a program asks."""
    from agentmeter.semconv.dialects import PREFIXES

    return any(name.startswith(PREFIXES) for name in span.attributes or ())


def _record(record: Record, scope: Scope | None) -> None:
    """Price what another instrumentation saw, and hand it to the request that it ran for."""
    ledger = scope.ledger if scope is not None else None
    tariff: Tariff | None = None
    call = record.call
    if call is not None and call.usage:
        tariff, reason = STATE.ready().tariff_of(call)
        call = replace(call, tariff=tariff.digest if tariff else None, unpriced=reason)
        if isinstance(scope, CallScope) and record.kind is Kind.CALL:
            scope.told_by_others = True
    seen = replace(
        record,
        request_id=record.request_id or UNATTRIBUTED,
        call=call,
        late=ledger is not None and ledger.closed,
    )
    emit(with_busy_time(seen, tariff), ledger, tariff)


def _processor() -> object:
    from opentelemetry.sdk.trace import SpanProcessor

    class Watcher(SpanProcessor):
        """Hands every span of a provider to the watch."""

        def on_start(self, span: "Span", parent_context: Context | None = None) -> None:
            with guarded("span start"):
                WATCH.started(span, parent_context)

        def on_end(self, span: "ReadableSpan") -> None:
            with guarded("span end"):
                WATCH.ended(span)

    return Watcher()
