"""What a dialect is, and the one reader of all of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from agentmeter.exceptions import UsageError
from agentmeter.model import (
    REPORTED,
    UNKNOWN,
    Call,
    Evidence,
    Kind,
    Owner,
    Record,
    Status,
    Usage,
)
from agentmeter.semconv import names
from agentmeter.semconv.fields import SpanFields, Value
from agentmeter.semconv.usage import normalise

_REFUSED = (
    "BadRequestError",
    "AuthenticationError",
    "PermissionDeniedError",
    "NotFoundError",
    "UnprocessableEntityError",
    "RateLimitError",
)
"""Errors of the clients' for what a provider refused, and so did not bill."""

_FRAMEWORKS = ("strands-agents", "gcp.vertex.agent", "microsoft.agent_framework", "langchain")

Names = tuple[str, ...]
Attributes = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Counts:
    """Where a dialect keeps its token counts, most telling name first.

    ``input`` and ``output`` are the totals that the others are parts of, unless the dialect's
    ``inclusive`` says that cache counts stand beside the input.
    """

    input: Names
    output: Names
    cache_read: Names = ()
    cache_write: Names = ()
    cache_write_5m: Names = ()
    cache_write_1h: Names = ()
    reasoning: Names = ()
    input_audio: Names = ()
    input_image: Names = ()
    output_audio: Names = ()
    output_image: Names = ()
    cache_read_audio: Names = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of instrumentations writes its spans.

    ``recognises`` looks at a span; the first dialect of the table that does so reads it. ``kinds``
    turns what stands under ``kind_names`` into a kind of scope. ``inclusive`` says whether cached
    tokens are inside the input count. ``states_cache`` says whether a span without any cache count
    means that nothing was cached: the conventions leave zeros out, so that where the writer is not
    known to state them, such an input is an *unsplit* sum.
    """

    name: str
    recognises: Callable[[SpanFields], bool]
    kind_names: Names
    kinds: Mapping[str, Kind]
    counts: Counts
    provider: Names = ("gen_ai.provider.name", "gen_ai.system")
    request_model: Names = ("gen_ai.request.model",)
    response_model: Names = ("gen_ai.response.model",)
    response_id: Names = ("gen_ai.response.id",)
    finish_reasons: Names = ("gen_ai.response.finish_reasons",)
    service_tier: Names = ("openai.response.service_tier",)
    stream: Names = ("gen_ai.request.stream",)
    titles: Names = ("gen_ai.agent.name", "gen_ai.tool.name", "gen_ai.workflow.name")
    user: Names = ("user.id", "enduser.id")
    tenant: Names = ()
    kept: Names = ()
    """Attributes that are kept on the record as text, such as a cost that the span states."""
    inclusive: Callable[[SpanFields], bool] = field(default=lambda fields: True)
    states_cache: Callable[[SpanFields], bool] = field(default=lambda fields: False)
    raw_usage: str | None = None
    """Where the provider's own usage object stands as JSON, which says more than the counts."""
    adjust: Callable[[Record, Attributes], Record] = field(
        default=lambda record, attributes: record
    )
    """A last word on the record, for what no table can say."""
    unpack: Callable[[Attributes], Attributes] = field(default=lambda attributes: attributes)
    """Lays values that the dialect packs into one attribute beside the others."""


class Reading:
    """One span being read: its values by name, and what of them could not be understood."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes
        self.problems: list[str] = []

    def text(self, among: Names) -> str | None:
        """The first text under one of the names."""
        for name in among:
            value = self._attributes.get(name)
            if isinstance(value, str) and value:
                return value
            if isinstance(value, tuple) and value:
                return value[0]
        return None

    def texts(self, among: Names) -> tuple[str, ...]:
        """The first list of texts under one of the names."""
        for name in among:
            value = self._attributes.get(name)
            if isinstance(value, tuple):
                return value
            if isinstance(value, str) and value:
                return _listed(value)
        return ()

    def flag(self, among: Names) -> bool:
        """Whether one of the names is true."""
        return any(self._attributes.get(name) in (True, "true", "True") for name in among)

    def count(self, among: Names) -> int | None:
        """The first count under one of the names; what is no whole number is a problem."""
        for name in among:
            if name in self._attributes:
                return self._whole(name, self._attributes[name])
        return None

    def _whole(self, name: str, value: Value) -> int | None:
        number = _number(value)
        if number is None or number < 0:
            self.problems.append(f"{name}: expected a whole number from 0 up, got {value!r:.60}")
            return None
        return number


def _number(value: Value) -> int | None:
    """Whole numbers, also as digits or as a float without a fraction, as some exporters write."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        return int(text) if text.removeprefix("-").isdecimal() and len(text) < 20 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else None
    return value if isinstance(value, int) else None


def _listed(text: str) -> tuple[str, ...]:
    try:
        values = json.loads(text)
    except ValueError:
        return (text,)
    return tuple(map(str, values)) if isinstance(values, list) else (text,)


def read(dialect: Dialect, fields: SpanFields) -> tuple[Record, tuple[str, ...]]:
    """What a span says in a dialect, and what of it could not be understood."""
    attributes = dialect.unpack(fields.attributes)
    reading = Reading(attributes)
    kind = _kind(dialect, reading)
    usage, evidence = _usage(dialect, fields, reading)
    call = None
    if kind is Kind.CALL or usage:
        call = _call(dialect, reading, fields, usage, evidence)
    record = record_of(
        fields,
        kind,
        dialect,
        name=_name(dialect, reading, fields, kind, call),
        call=call,
        owner=_owner(dialect, reading, fields),
        kept={name: str(attributes[name]) for name in dialect.kept if name in attributes},
        error_type=reading.text((names.ERROR_TYPE,)),
    )
    return dialect.adjust(record, attributes), tuple(reading.problems)


def record_of(
    fields: SpanFields,
    kind: Kind,
    dialect: Dialect | None,
    *,
    name: str,
    call: Call | None = None,
    owner: Owner | None = None,
    kept: Mapping[str, str] | None = None,
    error_type: str | None = None,
) -> Record:
    """A span of another instrumentation as a record."""
    stamp = Reading(fields.attributes)
    return Record(
        request_id=stamp.text((names.REQUEST_ID,)) or "",
        scope_id=fields.span_id,
        parent_id=stamp.text((names.SCOPE_ID,)),
        kind=kind,
        name=name,
        owner=owner or Owner(),
        started_ns=fields.started_ns,
        ended_ns=max(fields.started_ns, fields.ended_ns),
        status=Status.ERROR if fields.failed else Status.OK,
        error_type=error_type,
        call=call,
        trace_id=fields.trace_id,
        span_id=fields.span_id,
        parent_span_id=fields.parent_span_id,
        attributes=kept or {},
        observer=fields.scope or (dialect.name if dialect is not None else "unnamed"),
    )


def _kind(dialect: Dialect, reading: Reading) -> Kind:
    for name in dialect.kind_names:
        said = reading.text((name,))
        if said is not None and said.lower() in dialect.kinds:
            return dialect.kinds[said.lower()]
    return Kind.LINK


def _name(
    dialect: Dialect, reading: Reading, fields: SpanFields, kind: Kind, call: Call | None
) -> str:
    if kind is Kind.CALL and call is not None:
        return call.priced_model or fields.name
    return reading.text(dialect.titles) or fields.name


def _owner(dialect: Dialect, reading: Reading, fields: SpanFields) -> Owner:
    tags = {
        name.removeprefix(names.TAG): str(value)
        for name, value in fields.attributes.items()
        if name.startswith(names.TAG)
    }
    return Owner(
        reading.text((names.USER, *dialect.user)),
        reading.text((names.TENANT, *dialect.tenant)),
        reading.text((names.FEATURE,)),
        reading.text((names.PLAN,)),
        tags,
    )


def _call(
    dialect: Dialect,
    reading: Reading,
    fields: SpanFields,
    usage: Usage,
    evidence: Mapping[str, Evidence],
) -> Call:
    operation = reading.text(("gen_ai.operation.name",))
    return Call(
        provider=_provider(reading.text(dialect.provider)),
        model=reading.text(dialect.request_model),
        operation=operation or _operation(dialect, reading),
        response_model=reading.text(dialect.response_model),
        response_id=reading.text(dialect.response_id),
        service_tier=reading.text(dialect.service_tier),
        stream=reading.flag(dialect.stream),
        finish_reasons=reading.texts(dialect.finish_reasons),
        usage=usage,
        evidence=evidence,
    )


def _provider(said: str | None) -> str | None:
    """Frameworks put their own name where the provider's belongs; the model tells enough."""
    return None if said in _FRAMEWORKS else said


def _operation(dialect: Dialect, reading: Reading) -> str:
    said = (reading.text(dialect.kind_names) or "").lower()
    return "embeddings" if "embed" in said else "rerank" if "rerank" in said else "chat"


def _usage(
    dialect: Dialect, fields: SpanFields, reading: Reading
) -> tuple[Usage, dict[str, Evidence]]:
    """Disjoint meters; what is unknown or impossible has evidence that says so."""
    stated = _raw(dialect, reading)
    if stated is not None:
        return stated, dict.fromkeys(stated, REPORTED) or {"request": REPORTED}
    counts = dialect.counts
    whole_in, whole_out = reading.count(counts.input), reading.count(counts.output)
    inside = {
        meter: found
        for meter in ("cache_read", "cache_write", "input_audio", "input_image", "cache_read_audio")
        if (found := reading.count(getattr(counts, meter))) is not None
    }
    _split_writes(inside, reading, counts)
    made = {
        meter: found
        for meter in ("reasoning", "output_audio", "output_image")
        if (found := reading.count(getattr(counts, meter))) is not None
    }
    chats = _operation(dialect, reading) == "chat"
    if whole_in is None and whole_out is None:
        if (reading.text((names.ERROR_TYPE,)) or "").rpartition(".")[2] in _REFUSED:
            return Usage(), {"request": REPORTED}
        return Usage(), dict.fromkeys(("input", "output") if chats else ("input",), UNKNOWN)
    split = any(meter.startswith("cache") for meter in inside) or dialect.states_cache(fields)
    split = split or not chats
    rest_in = "input" if split else "input_unsplit"
    quantities: dict[str, int] = {}
    if whole_in is not None:
        own = whole_in if not dialect.inclusive(fields) else _rest(reading, whole_in, inside, "in")
        quantities.update({rest_in: own, **inside})
    if whole_out is not None:
        quantities.update({"output": _rest(reading, whole_out, made, "out"), **made})
    usage = Usage({meter: n for meter, n in quantities.items() if n})
    return usage, dict.fromkeys(usage, REPORTED) or {"request": REPORTED}


def _raw(dialect: Dialect, reading: Reading) -> Usage | None:
    """The provider's own usage object, where the span carries it."""
    text = reading.text((dialect.raw_usage,)) if dialect.raw_usage else None
    if text is None:
        return None
    try:
        return normalise(json.loads(text))
    except (ValueError, UsageError, AttributeError, TypeError) as error:
        reading.problems.append(f"{dialect.raw_usage}: {error}")
        return None


def _split_writes(inside: dict[str, int], reading: Reading, counts: Counts) -> None:
    """Cache writes by lifetime, where both the sum and its parts are told."""
    by_ttl = {
        meter: found
        for meter in ("cache_write_5m", "cache_write_1h")
        if (found := reading.count(getattr(counts, meter)))
    }
    if not by_ttl:
        return
    unstated = inside.pop("cache_write", 0) - sum(by_ttl.values())
    inside.update(by_ttl)
    if unstated > 0:
        inside["cache_write"] = unstated


def _rest(reading: Reading, whole: int, parts: dict[str, int], side: str) -> int:
    """What remains of a total beside its parts. Parts that exceed it are told of, and dropped."""
    told = sum(parts.values())
    if told <= whole:
        return whole - told
    arithmetic = " + ".join(f"{meter} ({n})" for meter, n in parts.items())
    reading.problems.append(f"{arithmetic} cannot exceed the {side}put tokens ({whole})")
    parts.clear()
    return whole
