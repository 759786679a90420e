"""Records ↔ spans: an entry of the journal as a span's fields, and back.

A ``SpanFields`` is what OTLP, the SDK and a store all have: a name, ids, two instants and flat
attributes. ``fields_of`` and ``entry_of`` are exact inverses of each other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from agentmeter.model import (
    REPORTED,
    Amendment,
    Attempt,
    Call,
    Entry,
    Evidence,
    Extent,
    Kind,
    Money,
    Opened,
    Origin,
    Owner,
    Record,
    Segment,
    Source,
    Status,
    Usage,
)
from agentmeter.model.money import plain
from agentmeter.semconv import names

Value = str | int | bool | float | tuple[str, ...]
Attributes = dict[str, Value]


@dataclass(frozen=True, slots=True)
class SpanFields:
    """A span as every carrier has it. Instants in nanoseconds since the epoch, ids in hex.

    ``scope`` is the instrumentation scope's name; ``failed`` whether its status is an error.
    """

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    started_ns: int
    ended_ns: int
    attributes: Mapping[str, Value]
    scope: str = "agentmeter"
    failed: bool = False


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


def entry_of(fields: SpanFields) -> Entry | None:
    """The entry that a span of ours carries; ``None`` for any other span.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` where one of our own attributes is
    missing or cannot be read.
    """
    kind = fields.attributes.get(names.ENTRY)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return reader(fields) if reader else None


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
    _put(attributes, names.TARIFF, call.tariff)
    _put(attributes, names.UNPRICED, call.unpriced)
    attributes[names.REQUEST_STREAM] = call.stream
    if call.finish_reasons:
        attributes[names.FINISH_REASONS] = call.finish_reasons
    if call.attempts:
        attributes[names.ATTEMPTS] = tuple(_attempt_text(attempt) for attempt in call.attempts)
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
        attributes[names.SEGMENTS] = tuple(_segment_text(segment) for segment in segments)


def _segment_text(segment: Segment) -> str:
    """``origin|digest|weight`` and ``|name``, which may hold any character, where there is one."""
    name = "" if segment.name is None else f"|{segment.name}"
    return f"{segment.origin}|{segment.digest}|{segment.weight}{name}"


def _segment(text: str) -> Segment:
    origin, digest, weight, *name = text.split("|", 3)
    return Segment(Origin(origin), digest, int(weight), name[0] if name else None)


def _put_usage(attributes: Attributes, usage: Usage, evidence: Mapping[str, Evidence]) -> None:
    for meter, quantity in usage.items():
        attributes[names.USAGE + meter] = quantity
    if usage and evidence == dict.fromkeys(usage, REPORTED):
        attributes[names.ALL_REPORTED] = True  # the common case, in one attribute instead of many
        return
    for meter, known in evidence.items():
        attributes[names.EVIDENCE + meter] = f"{known.source}/{known.extent}"


_CACHE_WRITES = ("cache_write", "cache_write_5m", "cache_write_1h")


def _put_conventional(attributes: Attributes, usage: Usage) -> None:
    """The conventions' own, overlapping counts: cached inside input, reasoning inside output."""
    for name, count in (
        (names.USAGE_INPUT, usage.total_input),
        (names.USAGE_OUTPUT, usage.total_output),
        (names.USAGE_CACHE_READ, usage.get("cache_read")),
        (names.USAGE_CACHE_WRITE, sum(usage.get(meter, 0) for meter in _CACHE_WRITES)),
        (names.USAGE_REASONING, usage.get("reasoning")),
    ):
        if count:
            attributes[name] = count


def _attempt_text(attempt: Attempt) -> str:
    """``start|end|status|billed|error``; the error last, since it may hold any character."""
    status = "" if attempt.http_status is None else attempt.http_status
    billed = {None: "", True: "1", False: "0"}[attempt.billed]
    error = "" if attempt.error_type is None else f"={attempt.error_type}"
    return f"{attempt.started_ns}|{attempt.ended_ns}|{status}|{billed}|{error}"


def _attempt(text: str) -> Attempt:
    started, ended, status, billed, error = text.split("|", 4)
    return Attempt(
        int(started),
        int(ended),
        int(status) if status else None,
        error[1:] if error else None,
        {"": None, "1": True, "0": False}[billed],
    )


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


def _text(attributes: Mapping[str, Value], name: str) -> str | None:
    value = attributes.get(name)
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{name}: expected text, got {value!r}")


def _required(attributes: Mapping[str, Value], name: str) -> str:
    value = _text(attributes, name)
    if value is None:
        raise KeyError(f"{name} is missing")
    return value


def _texts(attributes: Mapping[str, Value], name: str) -> tuple[str, ...]:
    value = attributes.get(name, ())
    if not isinstance(value, tuple):
        raise TypeError(f"{name}: expected a list of texts, got {value!r}")
    return value


def _under(attributes: Mapping[str, Value], prefix: str) -> dict[str, Value]:
    return {
        name.removeprefix(prefix): value
        for name, value in attributes.items()
        if name.startswith(prefix)
    }


def _owner(attributes: Mapping[str, Value]) -> Owner:
    return Owner(
        _text(attributes, names.USER),
        _text(attributes, names.TENANT),
        _text(attributes, names.FEATURE),
        _text(attributes, names.PLAN),
        {tag: str(value) for tag, value in _under(attributes, names.TAG).items()},
    )


def _usage(attributes: Mapping[str, Value]) -> Usage:
    return Usage(_under(attributes, names.USAGE))  # type: ignore[arg-type]  # Usage checks them


def _evidence(attributes: Mapping[str, Value]) -> dict[str, Evidence]:
    if attributes.get(names.ALL_REPORTED) is True:
        return dict.fromkeys(_usage(attributes), REPORTED)
    evidence = {}
    for meter, value in _under(attributes, names.EVIDENCE).items():
        source, _, extent = str(value).partition("/")
        evidence[meter] = Evidence(Source(source), Extent(extent))
    return evidence


def _call(attributes: Mapping[str, Value]) -> Call:
    amount = _text(attributes, names.CHARGE_AMOUNT)
    return Call(
        provider=_text(attributes, names.PROVIDER),
        model=_text(attributes, names.REQUEST_MODEL),
        operation=_text(attributes, names.OPERATION),
        response_model=_text(attributes, names.RESPONSE_MODEL),
        response_id=_text(attributes, names.RESPONSE_ID),
        service_tier=_text(attributes, names.SERVICE_TIER),
        stream=attributes.get(names.REQUEST_STREAM) is True,
        finish_reasons=_texts(attributes, names.FINISH_REASONS),
        attempts=tuple(_attempt(text) for text in _texts(attributes, names.ATTEMPTS)),
        usage=_usage(attributes),
        evidence=_evidence(attributes),
        charge=Money(Decimal(amount), _required(attributes, names.CHARGE_CURRENCY))
        if amount is not None
        else None,
        tariff=_text(attributes, names.TARIFF),
        unpriced=_text(attributes, names.UNPRICED),
        calls=_number(attributes, names.CALLS, 1),
        segments=_segments(attributes),
        input_digest=_text(attributes, names.INPUT_DIGEST),
    )


def _segments(attributes: Mapping[str, Value]) -> tuple[Segment, ...]:
    return tuple(_segment(text) for text in _texts(attributes, names.SEGMENTS))


def _number(attributes: Mapping[str, Value], name: str, blank: int) -> int:
    value = attributes.get(name, blank)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected a whole number, got {value!r}")
    return value


def _shares(attributes: Mapping[str, Value]) -> dict[str, int]:
    shares = {}
    for text in _texts(attributes, names.SHARES):
        weight, _, request_id = text.partition(":")
        shares[request_id] = int(weight)
    return shares


def _record(fields: SpanFields) -> Record:
    attributes = fields.attributes
    place = _place(attributes)
    return Record(
        request_id=_required(attributes, names.REQUEST_ID),
        scope_id=_required(attributes, names.SCOPE_ID),
        parent_id=_text(attributes, names.PARENT_ID),
        kind=Kind(_required(attributes, names.KIND)),
        name=_required(attributes, names.NAME),
        owner=_owner(attributes),
        started_ns=fields.started_ns,
        ended_ns=fields.ended_ns,
        status=Status(_required(attributes, names.STATUS)),
        error_type=_text(attributes, names.ERROR_TYPE),
        call=_call(attributes) if names.REQUEST_STREAM in attributes else None,
        trace_id=fields.trace_id,
        span_id=fields.span_id,
        parent_span_id=fields.parent_span_id,
        parent_request_id=_text(attributes, names.PARENT_REQUEST_ID),
        late=attributes.get(names.LATE) is True,
        attributes={
            name: str(value) for name, value in _under(attributes, names.ATTRIBUTE).items()
        },
        observer=_text(attributes, names.OBSERVER) or "",
        shares=_shares(attributes),
        position=place[0],
        children=place[1],
    )


def _place(attributes: Mapping[str, Value]) -> tuple[int, int]:
    position, _, children = (_text(attributes, names.PLACE) or "0/0").partition("/")
    return int(position), int(children)


def _opened(fields: SpanFields) -> Opened:
    attributes = fields.attributes
    return Opened(
        request_id=_required(attributes, names.REQUEST_ID),
        scope_id=_required(attributes, names.SCOPE_ID),
        name=_required(attributes, names.NAME),
        owner=_owner(attributes),
        started_ns=fields.started_ns,
        trace_id=fields.trace_id,
        span_id=fields.span_id,
        parent_request_id=_text(attributes, names.PARENT_REQUEST_ID),
        kind=Kind(_text(attributes, names.KIND) or Kind.REQUEST),
        parent_id=_text(attributes, names.PARENT_ID),
        provider=_text(attributes, names.PROVIDER),
        model=_text(attributes, names.REQUEST_MODEL),
    )


def _amendment(fields: SpanFields) -> Amendment:
    attributes = fields.attributes
    discarded = attributes.get(names.DISCARDED)
    return Amendment(
        amendment_id=_required(attributes, names.AMENDMENT_ID),
        request_id=_required(attributes, names.REQUEST_ID),
        scope_id=_required(attributes, names.SCOPE_ID),
        at_ns=fields.started_ns,
        usage=_usage(attributes),
        evidence=_evidence(attributes),
        tariff=_text(attributes, names.TARIFF),
        discarded=discarded if isinstance(discarded, bool) else None,
        reason=_text(attributes, names.REASON),
        segments=_segments(attributes),
        input_digest=_text(attributes, names.INPUT_DIGEST),
    )


_READERS: dict[str, Callable[[SpanFields], Entry]] = {
    "record": _record,
    "opened": _opened,
    "amendment": _amendment,
}
