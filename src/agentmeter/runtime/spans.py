"""Spans: the projection of scopes to OpenTelemetry. Records never depend on them."""

from decimal import Decimal
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind, StatusCode, format_span_id, format_trace_id

from agentmeter.model import Call, Extent, Kind, Record, Status
from agentmeter.model.money import plain
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.state import STATE
from agentmeter.semconv import names
from agentmeter.semconv.fields import Attributes
from agentmeter.semconv.sampling import drops
from agentmeter.semconv.writing import owner_attributes, record_attributes

if TYPE_CHECKING:
    from agentmeter.pricing.tariff import Tariff
    from agentmeter.runtime.scope import Scope

_SCOPE = "agentmeter"
_current: tuple[trace.TracerProvider, trace.Tracer] | None = None
_sampler = ""
"""How the provider's sampler describes itself, where it drops any traces."""


def start(scope: "Scope") -> None:
    """Start the scope's span, and take its ids where they are valid; mint them where not."""
    parent = scope.parent
    if STATE.spans:
        with guarded("span.start"):
            _start(scope)
    if scope.span is not None:
        return
    scope.trace_id = parent.trace_id if parent is not None else STATE.new_id(16)
    scope.span_id = scope.scope_id
    scope.parent_span_id = parent.span_id if parent is not None else None


def _start(scope: "Scope") -> None:
    tracer = _tracer(trace.get_tracer_provider())  # which looks at the sampler
    scope.stamped = _identity(scope)
    kind = SpanKind.CLIENT if scope.kind is Kind.CALL else SpanKind.INTERNAL
    above = trace.get_current_span().get_span_context()
    span = tracer.start_span(
        scope.span_name,
        kind=kind,
        attributes=scope.stamped,
        links=[Link(context) for context in scope.links()],
        start_time=scope.started_ns,
    )
    context = span.get_span_context()
    if context.is_valid and context.span_id != above.span_id:
        scope.trace_id = format_trace_id(context.trace_id)
        scope.span_id = format_span_id(context.span_id)
        scope.parent_span_id = format_span_id(above.span_id) if above.is_valid else None
        scope.span = span


def _identity(scope: "Scope") -> Attributes:
    owner = owner_attributes(scope.owner) if STATE.stamp_owner else {}
    sampler = {names.SAMPLER: _sampler} if _sampler else {}
    return {names.REQUEST_ID: scope.request_id, **sampler, **owner}


def end(scope: "Scope", record: Record, tariff: "Tariff | None") -> Attributes | None:
    """Put the record's attributes on the span and end it.

    Gives the attributes, if there was any need to work them out, so that the journal need not.
    """
    span = scope.span
    if span is None:
        return None
    attributes: Attributes | None = None
    with guarded("span.end"):
        if span.is_recording():
            attributes = record_attributes(record)
            cost = _cost(record, record.call, tariff) if record.call is not None else {}
            told = {**_told_once(scope, attributes), **cost}
            span.set_attributes(_beyond(told, scope.stamped))
            _count_cut(span)
            if record.status in (Status.ERROR, Status.CUT):
                span.set_status(StatusCode.ERROR, record.error_type)
    with guarded("span.end"):
        span.end(record.ended_ns)  # which runs the processors of whoever has added some
    return attributes


def _beyond(told: Attributes, stamped: Attributes) -> Attributes:
    """``told`` without what the span has from its start; a blank of the owner may be filled."""
    for name, value in stamped.items():
        if told.get(name) == value:
            del told[name]
    return told


def _count_cut(span: trace.Span) -> None:
    cut = getattr(span, "dropped_attributes", 0)
    if cut:
        FAULTS.count("span attributes dropped by the limits of the SDK", times=cut)


def _told_once(scope: "Scope", attributes: Attributes) -> Attributes:
    """Without the conventions' usage where a span of another instrumentation carries it."""
    from agentmeter.runtime.observe import WATCH  # which needs the scopes, which need this

    if scope.kind is not Kind.CALL or not WATCH.tells_of_the_call(scope):
        return attributes
    return {name: v for name, v in attributes.items() if not name.startswith(names.USAGE_PREFIX)}


def _cost(record: Record, call: Call, tariff: "Tariff | None") -> Attributes:
    """The live cost of a leaf; only where all of its usage is known and priced."""
    for known in call.evidence.values():
        if known.extent is Extent.UNKNOWN:
            return {}
    if call.charge is not None:
        return _cost_attributes(call.charge.amount, call.charge.currency)
    if tariff is None or not call.usage:
        return {}
    from agentmeter.pricing.cost import amount

    quote = tariff.quote(record.started_ns, call.usage.total_input)
    priced = amount(call.usage, quote)
    return _cost_attributes(priced, quote.currency) if priced is not None else {}


def _cost_attributes(cost: Decimal, currency: str) -> Attributes:
    return {
        names.COST_AMOUNT: plain(cost),
        names.COST_CURRENCY: currency,
        names.COST_SOURCE: "local",
    }


def _tracer(provider: trace.TracerProvider) -> trace.Tracer:
    """Our tracer of a provider, made once; making one is dear."""
    global _current, _sampler
    if _current is None or _current[0] is not provider:
        from agentmeter.runtime.observe import watch  # which needs the scopes, which need this

        watch(provider)
        _sampler = _described(provider)
        _current = (provider, provider.get_tracer(_SCOPE))
    return _current[1]


def _described(provider: trace.TracerProvider) -> str:
    """A sampler that drops traces is named on what it keeps, so that a report can tell."""
    sampler = getattr(provider, "sampler", None)
    described = str(sampler.get_description()) if sampler is not None else ""
    return described if described and drops(described) else ""
