"""Entries as spans: what stands on the span of a record, a marker or an amendment."""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from agentmeter.model import (
    REPORTED,
    Amendment,
    Call,
    Entry,
    Evidence,
    Kind,
    Opened,
    Owner,
    Record,
    Segment,
    Side,
    Usage,
)
from agentmeter.model.meters import METERS, Meter
from agentmeter.model.money import plain
from agentmeter.semconv import names
from agentmeter.semconv.fields import Attributes, SpanFields
from agentmeter.semconv.texts import attempt_text, segment_text


def fields_of(entry: Entry, attributes: Attributes | None = None) -> SpanFields:
    """The span that carries ``entry``; ``attributes`` where a record's are at hand already."""
    if isinstance(entry, Record):
        call = entry.call
        return SpanFields(
            span_name(entry.kind, entry.name, *((call.operation, call.model) if call else ())),
            entry.trace_id,
            entry.span_id,
            entry.parent_span_id,
            entry.started_ns,
            entry.ended_ns,
            record_attributes(entry) if attributes is None else attributes,
        )
    if isinstance(entry, Opened):
        at, ids = entry.started_ns, (entry.trace_id, entry.span_id)
        return SpanFields("agentmeter.opened", *ids, None, at, at, _opened_attributes(entry))
    ids = (entry.request_id, entry.scope_id)
    at = entry.at_ns
    return SpanFields("agentmeter.amendment", *ids, None, at, at, _amendment_attributes(entry))


def span_name(kind: Kind, name: str, operation: str | None = None, model: str | None = None) -> str:
    """The span name by the GenAI conventions: ``chat gpt-5``, ``invoke_agent planner`` …"""
    if operation and model:
        return f"{operation} {model}"
    work = _OPERATIONS.get(kind)
    return f"{work} {name}" if work else name


_OPERATIONS = {Kind.AGENT: "invoke_agent", Kind.TOOL: "execute_tool"}


def _texts(**fields: str) -> Callable[[Any], Attributes]:
    """What gives the fields of a value that hold a text, each under its attribute's name."""
    attributes, told = tuple(fields.values()), attrgetter(*fields)

    def texts(value: Any) -> Attributes:
        pairs = zip(attributes, told(value), strict=True)
        return {attribute: text for attribute, text in pairs if text is not None}

    return texts


_owner_texts = _texts(user=names.USER, tenant=names.TENANT, feature=names.FEATURE, plan=names.PLAN)
_record_texts = _texts(
    request_id=names.REQUEST_ID,
    scope_id=names.SCOPE_ID,
    name=names.NAME,
    parent_id=names.PARENT_ID,
    parent_request_id=names.PARENT_REQUEST_ID,
    error_type=names.ERROR_TYPE,
)
_call_texts = _texts(
    provider=names.PROVIDER,
    model=names.REQUEST_MODEL,
    operation=names.OPERATION,
    response_model=names.RESPONSE_MODEL,
    response_id=names.RESPONSE_ID,
    service_tier=names.SERVICE_TIER,
    speed=names.SPEED,
    region=names.REGION,
    deployment=names.DEPLOYMENT,
    search_context=names.SEARCH_CONTEXT,
    tariff=names.TARIFF,
    unpriced=names.UNPRICED,
    input_digest=names.INPUT_DIGEST,
)


def owner_attributes(owner: Owner) -> Attributes:
    """The owner as span attributes; blank fields are left out."""
    attributes = _owner_texts(owner)
    for tag, text in owner.tags.items():
        attributes[names.TAG + tag] = text
    return attributes


def record_attributes(record: Record) -> Attributes:
    """Every attribute of a record's span, identity and usage included."""
    attributes: Attributes = {
        names.ENTRY: "record",
        names.KIND: str(record.kind),
        names.STATUS: str(record.status),
        **_record_texts(record),
        **owner_attributes(record.owner),
    }
    if record.late:
        attributes[names.LATE] = True
    if record.kind is Kind.AGENT:
        attributes[names.AGENT_NAME] = record.name
    if record.kind is Kind.TOOL:
        attributes[names.TOOL_NAME] = record.name
    if record.position or record.children:
        attributes[names.PLACE] = f"{record.position}/{record.children}"
    if record.observer:
        attributes[names.OBSERVER] = record.observer
    if record.shares:
        attributes[names.SHARES] = tuple(
            f"{weight}:{request_id}" for request_id, weight in record.shares.items()
        )
    for name, text in record.attributes.items():
        attributes[names.ATTRIBUTE + name] = text
    if record.call is not None:
        _put_call(attributes, record.call)
    return attributes


def _put(attributes: Attributes, name: str, value: str | None) -> None:
    if value is not None:
        attributes[name] = value


def _put_call(attributes: Attributes, call: Call) -> None:
    attributes.update(_call_texts(call))
    if call.batch:
        attributes[names.BATCH] = True
    attributes[names.REQUEST_STREAM] = call.stream
    if call.finish_reasons:
        attributes[names.FINISH_REASONS] = call.finish_reasons
    if call.attempts:
        attributes[names.ATTEMPTS] = tuple([attempt_text(attempt) for attempt in call.attempts])
    if call.charge is not None:
        attributes[names.CHARGE_AMOUNT] = plain(call.charge.amount)
        attributes[names.CHARGE_CURRENCY] = call.charge.currency
    if call.calls != 1:
        attributes[names.CALLS] = call.calls
    _put_segments(attributes, call.segments)
    _put_usage(attributes, call.usage, call.evidence)
    _put_conventional(attributes, call.usage)


def _put_segments(attributes: Attributes, segments: tuple[Segment, ...]) -> None:
    if segments:
        attributes[names.SEGMENTS] = tuple(segment_text(segment) for segment in segments)


def _put_usage(attributes: Attributes, usage: Usage, evidence: Mapping[str, Evidence]) -> None:
    for meter, quantity in usage.items():
        attributes[names.USAGE + meter] = quantity
    if usage and _all_reported(usage, evidence):
        attributes[names.ALL_REPORTED] = True  # the common case, in one attribute instead of many
        return
    for meter, known in evidence.items():
        attributes[names.EVIDENCE + meter] = f"{known.source}/{known.extent}"


def _all_reported(usage: Usage, evidence: Mapping[str, Evidence]) -> bool:
    if len(usage) != len(evidence):
        return False
    for meter, known in evidence.items():
        if (known is not REPORTED and known != REPORTED) or meter not in usage:
            return False
    return True


_WHOLE = {Side.INPUT: (names.USAGE_INPUT,), Side.OUTPUT: (names.USAGE_OUTPUT,)}
_PARTS = {
    "cache_read": (names.USAGE_CACHE_READ,),
    "cache_write": (names.USAGE_CACHE_WRITE,),
    "reasoning": (names.USAGE_REASONING,),
}


def _counted_in(meter: Meter) -> tuple[str, ...]:
    """The conventions' counts that a meter is in: cached inside input, reasoning inside output."""
    parts = (count for part, count in _PARTS.items() if meter.name.startswith(part))
    return (*_WHOLE.get(meter.side, ()), *next(parts, ()))


_COUNTED_IN = {name: _counted_in(meter) for name, meter in METERS.items()}


def _put_conventional(attributes: Attributes, usage: Usage) -> None:
    """The conventions' own, overlapping counts."""
    counts: dict[str, int] = {}
    for meter, quantity in usage.items():
        for name in _COUNTED_IN.get(meter, ()):
            counts[name] = counts.get(name, 0) + quantity
    attributes.update(counts)


def _opened_attributes(opened: Opened) -> Attributes:
    attributes: Attributes = {
        names.ENTRY: "opened",
        names.REQUEST_ID: opened.request_id,
        names.SCOPE_ID: opened.scope_id,
        names.NAME: opened.name,
        **owner_attributes(opened.owner),
    }
    _put(attributes, names.PARENT_REQUEST_ID, opened.parent_request_id)
    _put(attributes, names.PARENT_ID, opened.parent_id)
    _put(attributes, names.PROVIDER, opened.provider)
    _put(attributes, names.REQUEST_MODEL, opened.model)
    if opened.kind is not Kind.REQUEST:
        attributes[names.KIND] = opened.kind.value
    return attributes


def _amendment_attributes(amendment: Amendment) -> Attributes:
    attributes: Attributes = {
        names.ENTRY: "amendment",
        names.AMENDMENT_ID: amendment.amendment_id,
        names.REQUEST_ID: amendment.request_id,
        names.SCOPE_ID: amendment.scope_id,
    }
    _put(attributes, names.TARIFF, amendment.tariff)
    if amendment.discarded is not None:
        attributes[names.DISCARDED] = amendment.discarded
    _put(attributes, names.REASON, amendment.reason)
    _put(attributes, names.INPUT_DIGEST, amendment.input_digest)
    _put_segments(attributes, amendment.segments)
    _put_usage(attributes, amendment.usage, amendment.evidence)
    return attributes
