"""One provider's usage object, priced under the conditions that it was served under."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from agentmeter.exceptions import UsageError
from agentmeter.model import Usage
from agentmeter.model.meters import meter
from agentmeter.model.money import CONTEXT, plain
from agentmeter.pricing.cost import Cost, Gap, Line, price, unpriced
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.rows import UNMATCHED
from agentmeter.pricing.tariff import PriceKey, Tariff, Unpriced
from agentmeter.semconv.usage import Stated, in_our_word, stated, whole_number

_TOOLS = {
    "code_execution": "code_interpreter",
    "collections_search": "file_search",
    "code_interpreter_1g": "code_interpreter",
    "google_maps": "maps_grounding",
    "google_search": "web_search",
    "grounding": "web_search",
    "live_search": "source",
    "maps": "maps_grounding",
    "rerank": "search_unit",
    "search_units": "search_unit",
}
"""What providers call their tools → the meters that those are billed by; meters name themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A usage object, and what is known of how it was served.

    What the object itself says (its tier, speed, region, search context, its own cost) goes over
    the fields here. ``tools`` counts what the provider's tools did, by tool. ``at_ns`` is when the
    call began, in nanoseconds since the epoch.
    """

    usage: Mapping[str, Any]
    at_ns: int
    provider: str | None = None
    model: str | None = None
    api: str | None = None
    service_tier: str | None = None
    batch: bool = False
    speed: str | None = None
    region: str | None = None
    deployment: str | None = None
    search_context_size: str | None = None
    tools: Mapping[str, int] = field(default_factory=dict)


def priced(served: Served, pricer: Pricer) -> Cost:
    """What it costs: lines by meter, and a gap for each quantity that has no price.

    Raises ``UsageError`` for a usage object of no known shape and for impossible quantities.
    """
    said = stated(served.usage, provider=served.provider, api=served.api)
    if said.cost is not None:
        amount, source = said.cost.amount, f"stated by {served.provider} in the usage object"
        return Cost(said.cost.currency, (Line("cost", 1, amount, amount, source),))
    usage, unknown = _with_tools(said.usage, served.tools)
    answer = pricer.tariff(_key(served, said))
    if isinstance(answer, Unpriced):
        return unpriced({**usage, **unknown}, answer.reason)
    cost = _by_tariff(usage, answer, served.at_ns)
    gaps = (Gap(tool, count, "no such tool is known") for tool, count in unknown.items())
    return replace(cost, gaps=(*cost.gaps, *gaps))


def asked(served: Served) -> tuple[Usage, PriceKey]:
    """The usage by meter, tools counted, and what a pricer is asked for it."""
    said = stated(served.usage, provider=served.provider, api=served.api)
    return _with_tools(said.usage, served.tools)[0], _key(served, said)


def _by_tariff(usage: Usage, tariff: Tariff, at_ns: int) -> Cost:
    """A usage object is that of one request."""
    quote = tariff.quote(at_ns, usage.total_input)
    if "request" in quote.rates and "request" not in usage:
        usage = usage + {"request": 1}
    return price(usage, quote)


def _key(served: Served, said: Stated) -> PriceKey:
    return PriceKey(
        served.provider,
        served.model,
        said.service_tier or in_our_word(served.service_tier),
        served.batch,
        said.speed or served.speed,
        said.region or served.region,
        served.deployment,
        said.search_context or served.search_context_size,
    )


def _with_tools(usage: Usage, tools: Mapping[str, int]) -> tuple[Usage, dict[str, int]]:
    """Usage with the tools it does not count itself, and the counts of tools nobody knows."""
    counted: dict[str, int] = {}
    unknown: dict[str, int] = {}
    for tool, count in tools.items():
        name = _TOOLS.get(tool, tool)
        place = counted if _is_meter(name) else unknown
        place[name] = place.get(name, 0) + count
    extra = {name: count for name, count in counted.items() if name not in usage}
    return usage + Usage(extra), unknown


def _is_meter(name: str) -> bool:
    try:
        return not meter(name).unsplit
    except UsageError:
        return False


def status(cost: Cost) -> str:
    """``priced``, ``partial`` or ``unpriced``."""
    if not cost.gaps and not any(_unmatched(line) for line in cost.lines):
        return "priced"
    return "partial" if cost.lines else "unpriced"


def reasons(cost: Cost) -> list[str]:
    """Why it is not wholly priced; nothing where it is."""
    gaps = (f"{gap.meter}: {gap.reason}" for gap in cost.gaps)
    return list(dict.fromkeys([*gaps, *(one for line in cost.lines for one in _unmatched(line))]))


def _unmatched(line: Line) -> list[str]:
    parts = (line.assumed or "").split("; ")
    return [part for part in parts if part.startswith(UNMATCHED)]


def document(cost: Cost) -> dict[str, Any]:
    """The cost as JSON values; money as decimal strings, ``null`` where nothing is priced."""
    known = status(cost) != "unpriced"
    return {
        "status": status(cost),
        "amount": plain(cost.amount) if known else None,
        "currency": cost.currency if known else None,
        "lines": [_line(line) for line in cost.lines],
        "reasons": reasons(cost),
    }


def _line(line: Line) -> dict[str, Any]:
    assumed = f" ({line.assumed})" if line.assumed else ""
    return {
        "meter": line.meter,
        "quantity": line.quantity,
        "unit_price": plain(line.unit_price),
        "amount": plain(line.amount),
        "source": line.source + assumed,
    }


_TEXTS = ("provider", "model", "api", "service_tier", "speed", "region", "deployment")


def read_served(fields: object, now_ns: int) -> Served:
    """One line of ``agentmeter price --jsonl``. Raises ``UsageError`` that names the field."""
    if not isinstance(fields, Mapping):
        raise UsageError(f"expected an object, got {type(fields).__name__}")
    texts = {name: _text(fields, name) for name in (*_TEXTS, "search_context_size")}
    for name in ("provider", "model"):
        if not texts[name]:
            raise UsageError(f"{name}: a text is needed")
    return Served(
        usage=_object(fields, "usage", needed=True),
        at_ns=instant_ns(fields["at"]) if fields.get("at") is not None else now_ns,
        batch=_switch(fields, "batch"),
        tools=dict(_counts(_object(fields, "tools"))),
        **texts,
    )


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name}: expected text, got {value!r}")
    return value or None


def _switch(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"{name}: expected true or false, got {value!r}")
    return bool(value)


def _object(fields: Mapping[str, Any], name: str, *, needed: bool = False) -> Mapping[str, Any]:
    value = fields.get(name)
    if value is None and not needed:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(f"{name}: expected an object, got {value!r}")
    return value


def _counts(tools: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, count in tools.items():
        if count is not None:
            yield name, whole_number(f"tools.{name}", count)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = (-62_135_596_800, 253_402_300_800)
"""The years 1 to 9999 in seconds since the epoch."""


def _since_epoch(seconds: int | Decimal) -> int:
    if not _YEARS[0] <= seconds < _YEARS[1]:
        problem = "expected seconds since the epoch within the years 1 to 9999"
        raise UsageError(f"at: {problem}, got {seconds!r:.60}")
    return int(CONTEXT.multiply(Decimal(seconds), Decimal(1_000_000_000)))


def instant_ns(at: object) -> int:
    """An instant in nanoseconds since the epoch.

    ISO 8601 text or a ``datetime``, UTC where it names no zone; or seconds since the epoch.
    Raises ``UsageError``.
    """
    if isinstance(at, (int, Decimal)) and not isinstance(at, bool):
        return _since_epoch(at)
    try:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        moment = None
    if not isinstance(moment, datetime):
        raise UsageError(f"at: expected an instant such as 2026-11-24T12:00:00Z, got {at!r}")
    since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
