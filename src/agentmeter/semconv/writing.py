"""Entries as spans: what stands on the span of a record, a marker or an amendment."""

from collections.abc import Mapping

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
    Usage,
)
from agentmeter.model.meters import METERS
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


def owner_attributes(owner: Owner) -> Attributes:
    """The owner as span attributes; blank fields are left out."""
    attributes: Attributes = {}
    _put(attributes, names.USER, owner.user)
    _put(attributes, names.TENANT, owner.tenant)
    _put(attributes, names.FEATURE, owner.feature)
    _put(attributes, names.PLAN, owner.plan)
    for tag, text in owner.tags.items():
        attributes[names.TAG + tag] = text
    return attributes


def record_attributes(record: Record) -> Attributes:
    """Every attribute of a record's span, identity and usage included."""
    attributes: Attributes = {
        names.ENTRY: "record",
        names.REQUEST_ID: record.request_id,
        names.SCOPE_ID: record.scope_id,
        names.KIND: record.kind.value,
        names.NAME: record.name,
        names.STATUS: record.status.value,
        **owner_attributes(record.owner),
    }
    _put(attributes, names.PARENT_ID, record.parent_id)
    _put(attributes, names.PARENT_REQUEST_ID, record.parent_request_id)
    _put(attributes, names.ERROR_TYPE, record.error_type)
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
    _put(attributes, names.PROVIDER, call.provider)
    _put(attributes, names.REQUEST_MODEL, call.model)
    _put(attributes, names.OPERATION, call.operation)
    _put(attributes, names.RESPONSE_MODEL, call.response_model)
    _put(attributes, names.RESPONSE_ID, call.response_id)
    _put(attributes, names.SERVICE_TIER, call.service_tier)
    if call.batch:
        attributes[names.BATCH] = True
    _put(attributes, names.SPEED, call.speed)
    _put(attributes, names.REGION, call.region)
    _put(attributes, names.DEPLOYMENT, call.deployment)
    _put(attributes, names.SEARCH_CONTEXT, call.search_context)
    _put(attributes, names.TARIFF, call.tariff)
    _put(attributes, names.UNPRICED, call.unpriced)
    attributes[names.REQUEST_STREAM] = call.stream
    if call.finish_reasons:
        attributes[names.FINISH_REASONS] = call.finish_reasons
    if call.attempts:
        attributes[names.ATTEMPTS] = tuple(attempt_text(attempt) for attempt in call.attempts)
    if call.charge is not None:
        attributes[names.CHARGE_AMOUNT] = plain(call.charge.amount)
        attributes[names.CHARGE_CURRENCY] = call.charge.currency
    if call.calls != 1:
        attributes[names.CALLS] = call.calls
    _put_input(attributes, call.segments, call.input_digest)
    _put_usage(attributes, call.usage, call.evidence)
    _put_conventional(attributes, call.usage)


def _put_input(attributes: Attributes, segments: tuple[Segment, ...], digest: str | None) -> None:
    _put(attributes, names.INPUT_DIGEST, digest)
    if segments:
        attributes[names.SEGMENTS] = tuple(segment_text(segment) for segment in segments)


def _put_usage(attributes: Attributes, usage: Usage, evidence: Mapping[str, Evidence]) -> None:
    for meter, quantity in usage.items():
        attributes[names.USAGE + meter] = quantity
    if usage and evidence == dict.fromkeys(usage, REPORTED):
        attributes[names.ALL_REPORTED] = True  # the common case, in one attribute instead of many
        return
    for meter, known in evidence.items():
        attributes[names.EVIDENCE + meter] = f"{known.source}/{known.extent}"


_CACHE_READS = tuple(meter for meter in METERS if meter.startswith("cache_read"))
_CACHE_WRITES = tuple(meter for meter in METERS if meter.startswith("cache_write"))


def _put_conventional(attributes: Attributes, usage: Usage) -> None:
    """The conventions' own, overlapping counts: cached inside input, reasoning inside output."""
    for name, count in (
        (names.USAGE_INPUT, usage.total_input),
        (names.USAGE_OUTPUT, usage.total_output),
        (names.USAGE_CACHE_READ, sum(usage.get(meter, 0) for meter in _CACHE_READS)),
        (names.USAGE_CACHE_WRITE, sum(usage.get(meter, 0) for meter in _CACHE_WRITES)),
        (names.USAGE_REASONING, usage.get("reasoning")),
    ):
        if count:
            attributes[name] = count


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
    _put_input(attributes, amendment.segments, amendment.input_digest)
    _put_usage(attributes, amendment.usage, amendment.evidence)
    return attributes
