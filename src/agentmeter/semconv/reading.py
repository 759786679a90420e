"""Spans as entries: the exact inverse of ``writing``."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache

from agentmeter.model import (
    REPORTED,
    Amendment,
    Call,
    Entry,
    Evidence,
    Extent,
    Kind,
    Money,
    Opened,
    Owner,
    Record,
    Segment,
    Source,
    Status,
    Usage,
)
from agentmeter.semconv import names
from agentmeter.semconv.fields import SpanFields, Value
from agentmeter.semconv.texts import attempt, segment


def entry_of(fields: SpanFields) -> Entry | None:
    """The entry that a span of ours carries; ``None`` for any other span.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` where one of our own attributes is
    missing or cannot be read.
    """
    kind = fields.attributes.get(names.ENTRY)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return reader(fields) if reader else None


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


_FAMILIES = (names.TAG, names.USAGE, names.EVIDENCE, names.ATTRIBUTE)
Families = Mapping[str, Mapping[str, Value]]
"""Attributes whose names are open, by what their names begin with, and then by the rest."""


def families(attributes: Mapping[str, Value]) -> Families:
    """The attributes of tags, usage, evidence and an application's own, each told apart once."""
    found: dict[str, dict[str, Value]] = {family: {} for family in _FAMILIES}
    for name, value in attributes.items():
        if (parts := _parted(name)) is not None:
            found[parts[0]][parts[1]] = value
    return found


@lru_cache(4096)
def _parted(name: str) -> tuple[str, str] | None:
    """The family that an attribute is of, and the rest of its name; ``None`` for all others."""
    end = name.find(".", len("agentmeter.")) + 1
    return (name[:end], name[end:]) if name[:end] in _FAMILIES else None


def _owner(attributes: Mapping[str, Value], found: Families) -> Owner:
    return Owner(
        _text(attributes, names.USER),
        _text(attributes, names.TENANT),
        _text(attributes, names.FEATURE),
        _text(attributes, names.PLAN),
        {tag: str(value) for tag, value in found[names.TAG].items()},
    )


def _usage(found: Families) -> Usage:
    return Usage(found[names.USAGE])  # type: ignore[arg-type]  # Usage checks them


def _evidence(
    attributes: Mapping[str, Value], found: Families, usage: Usage
) -> dict[str, Evidence]:
    if attributes.get(names.ALL_REPORTED) is True:
        return dict.fromkeys(usage, REPORTED)
    evidence = {}
    for meter, value in found[names.EVIDENCE].items():
        source, _, extent = str(value).partition("/")
        evidence[meter] = Evidence(Source(source), Extent(extent))
    return evidence


def _call(attributes: Mapping[str, Value], found: Families) -> Call:
    usage = _usage(found)
    amount = _text(attributes, names.CHARGE_AMOUNT)
    return Call(
        provider=_text(attributes, names.PROVIDER),
        model=_text(attributes, names.REQUEST_MODEL),
        operation=_text(attributes, names.OPERATION),
        response_model=_text(attributes, names.RESPONSE_MODEL),
        response_id=_text(attributes, names.RESPONSE_ID),
        service_tier=_text(attributes, names.SERVICE_TIER),
        batch=attributes.get(names.BATCH) is True,
        speed=_text(attributes, names.SPEED),
        region=_text(attributes, names.REGION),
        deployment=_text(attributes, names.DEPLOYMENT),
        search_context=_text(attributes, names.SEARCH_CONTEXT),
        stream=attributes.get(names.REQUEST_STREAM) is True,
        finish_reasons=_texts(attributes, names.FINISH_REASONS),
        attempts=tuple(attempt(text) for text in _texts(attributes, names.ATTEMPTS)),
        usage=usage,
        evidence=_evidence(attributes, found, usage),
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
    return tuple(segment(text) for text in _texts(attributes, names.SEGMENTS))


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
        if shares[request_id] <= 0:
            raise ValueError(f"{names.SHARES}: {text!r:.60} has no weight above zero")
    return shares


def _record(fields: SpanFields) -> Record:
    attributes = fields.attributes
    found = families(attributes)
    place = _place(attributes)
    return Record(
        request_id=_required(attributes, names.REQUEST_ID),
        scope_id=_required(attributes, names.SCOPE_ID),
        parent_id=_text(attributes, names.PARENT_ID),
        kind=Kind(_required(attributes, names.KIND)),
        name=_required(attributes, names.NAME),
        owner=_owner(attributes, found),
        started_ns=fields.started_ns,
        ended_ns=fields.ended_ns,
        status=Status(_required(attributes, names.STATUS)),
        error_type=_text(attributes, names.ERROR_TYPE),
        call=_call(attributes, found) if names.REQUEST_STREAM in attributes else None,
        trace_id=fields.trace_id,
        span_id=fields.span_id,
        parent_span_id=fields.parent_span_id,
        parent_request_id=_text(attributes, names.PARENT_REQUEST_ID),
        late=attributes.get(names.LATE) is True,
        attributes={name: str(value) for name, value in found[names.ATTRIBUTE].items()},
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
        owner=_owner(attributes, families(attributes)),
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
    found = families(attributes)
    usage = _usage(found)
    discarded = attributes.get(names.DISCARDED)
    return Amendment(
        amendment_id=_required(attributes, names.AMENDMENT_ID),
        request_id=_required(attributes, names.REQUEST_ID),
        scope_id=_required(attributes, names.SCOPE_ID),
        at_ns=fields.started_ns,
        usage=usage,
        evidence=_evidence(attributes, found, usage),
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
