"""The default catalog: genai-prices' bundled data as tariffs.

genai-prices resolves providers and models; its price rows, history and conditions become explicit
rows here, and the arithmetic is ours. What it does silently is said aloud: a tier it has no
price for is unpriced before the day its prices begin, and a meter billed at another meter's rate
carries that as ``assumed``.
"""

import difflib
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from agentmeter.pricing.providers import canonical, standard
from agentmeter.pricing.rates import tier_of
from agentmeter.pricing.rows import between, for_one, laid_over, noted, with_derived
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced

_FIELDS: dict[str, tuple[tuple[str, ...], int]] = {
    "input_mtok": (("input",), 1_000_000),
    "cache_read_mtok": (("cache_read",), 1_000_000),
    "cache_write_mtok": (("cache_write", "cache_write_5m"), 1_000_000),
    "cache_write_1h_mtok": (("cache_write_1h",), 1_000_000),
    "input_audio_mtok": (("input_audio",), 1_000_000),
    "input_image_mtok": (("input_image",), 1_000_000),
    "input_video_mtok": (("input_video",), 1_000_000),
    "cache_audio_read_mtok": (("cache_read_audio",), 1_000_000),
    "cache_image_read_mtok": (("cache_read_image",), 1_000_000),
    "output_mtok": (("output",), 1_000_000),
    "output_reasoning_mtok": (("reasoning",), 1_000_000),
    "output_audio_mtok": (("output_audio",), 1_000_000),
    "output_image_mtok": (("output_image",), 1_000_000),
    "output_video_mtok": (("output_video",), 1_000_000),
    "output_citation_mtok": (("citation",), 1_000_000),
    "web_searches_kcount": (("web_search",), 1_000),
    "storage_searches_kcount": (("file_search",), 1_000),
    "requests_kcount": (("request",), 1_000),
    "rerank_searches_kcount": (("search_unit",), 1_000),
    "input_text_messages_kcount": (("text_message",), 1_000),
    "input_document_kpages": (("page",), 1_000),
    "input_mchars": (("character",), 1_000_000),
    "audio_hours": (("audio_second",), 3_600),
    "input_audio_hours": (("audio_second",), 3_600),
}
"""genai-prices' field → our meters, and how many units its price is for."""

_MINIMUM = {
    ("groq", "whisper-large-v3", "audio_second"): 10,
    ("groq", "whisper-large-v3-turbo", "audio_second"): 10,
}
"""(provider, model, meter) → smallest quantity billed: genai-prices has these two in its code."""


_PATHS = {
    "aws": re.compile(
        r"^(bedrock/)?(arn:.+:(foundation-model|inference-profile)/|(converse|invoke)/)?"
        r"([a-z]{2}(-[a-z]+)+-\d/)?"
    ),
    "google": re.compile(r"^(.+/)?models/"),
}
"""Provider → what stands before its models' names where they are resources."""


class GenAIPrices:
    """A pricer over the data that the installed genai-prices bundles; loaded at first need.

    Prices are in US dollars. The process-global snapshot of genai-prices is neither read nor set.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._snapshot: Any = None
        self._version = ""

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The tariff for ``key``: every price row of its model, with history."""
        if key.model is None:
            return Unpriced("the call names no model")
        snapshot = self._loaded()
        try:
            name = self.plain_model(key.model, key.provider)
            provider, model = _found(snapshot, name, canonical(key.provider))
        except LookupError:
            return Unpriced(_unknown(snapshot, key))
        rates = tuple(_rows(provider, model, key, self._version))
        if not rates:
            return Unpriced(f"no price for {_condition(key)} of {key.model!r} in {self._version}")
        notes = tuple(_notes(provider, model, key))
        return Tariff(key, "USD", self._version, with_derived(_noted(rates, notes)))

    @property
    def version(self) -> str:
        """The installed genai-prices: ``genai-prices 0.2.3``."""
        self._loaded()
        return self._version

    def models(self) -> Iterator[tuple[str, str]]:
        """Every provider and model that has a name of its own there."""
        return ((one.id, m.id) for one in self._loaded().providers for m in one.models)

    def provider_of(self, model: str) -> str | None:
        """The provider whose models are named like this, where one is."""
        try:
            return str(self._loaded().find_provider(model.lower(), None, None).id)
        except LookupError:
            return None

    def context_window(self, provider: str | None, model: str) -> int | None:
        """How many tokens a model takes in and gives out together; ``None`` where nobody says."""
        try:
            name = self.plain_model(model, provider)
            _, known = _found(self._loaded(), name, canonical(provider))
        except LookupError:
            return None
        window = known.context_window
        return window if isinstance(window, int) and window > 0 else None

    def plain_model(self, name: str, provider: str | None) -> str:
        """The model's own name, without a path or its provider's name before it.

        ``deepseek/deepseek-chat`` and ``models/gemini-2.5-pro``, as proxies and Google write them;
        not where a model is really called so (Perplexity's ``perplexity/sonar``).
        """
        asked = canonical(provider)
        known = next((one for one in self._loaded().providers if one.id == asked), None)
        if known is None or any(model.id.lower() == name.lower() for model in known.models):
            return name
        path = _PATHS.get(known.id)
        rest = path.sub("", name) if path is not None else name
        prefix, slash, after = rest.partition("/")
        if slash and after and canonical(prefix) == asked:
            return self.plain_model(after, provider)
        return rest

    def _loaded(self) -> Any:
        with self._lock:
            if self._snapshot is None:
                from importlib.metadata import version

                from genai_prices.data import providers
                from genai_prices.data_snapshot import DataSnapshot

                self._version = f"genai-prices {version('genai-prices')}"
                self._snapshot = DataSnapshot(providers=providers, from_auto_update=False)
        return self._snapshot


def _found(snapshot: Any, name: str, provider: str | None) -> tuple[Any, Any]:
    """The provider and model.

    A provider goes by its name and the aliases of ours. genai-prices would take any name that
    contains a provider's for that provider, a proxy of one's own with prices of its own as well.
    """
    if provider is not None and all(provider != known.id for known in snapshot.providers):
        raise LookupError(provider)
    return snapshot.find_provider_model(name, None, provider, None)  # type: ignore[no-any-return]


def _unknown(snapshot: Any, key: PriceKey) -> str:
    asked = [one for one in snapshot.providers if one.id == canonical(key.provider)]
    if not asked and key.provider is not None:
        return f"unknown provider {key.provider!r} (model {key.model!r})"
    asked = asked or snapshot.providers
    names = [
        model.id for provider in asked for model in provider.models if model.is_match(model.id)
    ]
    near = difflib.get_close_matches((key.model or "").lower(), names, n=1, cutoff=0.75)
    hint = f"; the nearest known is {near[0]!r}" if near else ""
    of = f" of provider {key.provider!r}" if key.provider is not None else ""
    return f"unknown model {key.model!r}{of}{hint}"


def _when(key: PriceKey) -> dict[str, str]:
    """The condition of genai-prices that ``key`` asks for; empty for the standard prices."""
    when: dict[str, str] = {}
    tier = tier_of(key)
    if tier is not None:
        when["processing" if tier == "batch" else "service_tier"] = tier
    if key.speed is not None and not standard(key.speed):
        when["speed"] = key.speed.lower()
    return when


def _condition(key: PriceKey) -> str:
    words = {"processing": "batch processing", "service_tier": f"service tier {tier_of(key)!r}"}
    words["speed"] = f"speed {key.speed!r}"
    return " at ".join(words[name] for name in _when(key)) or "the standard tier"


def _notes(provider: Any, model: Any, key: PriceKey) -> Iterator[str]:
    """What every row takes for granted."""
    if not any(model is one for one in provider.models):
        yield f"no price of {provider.id}'s own; its maker's price"
    if key.region is not None or key.deployment is not None:
        yield "region uplift not applied"


def _noted(rates: Iterable[Rate], notes: tuple[str, ...]) -> Iterator[Rate]:
    for rate in rates:
        yield noted(rate, "; ".join(notes)) if notes else rate


def _rows(provider: Any, model: Any, key: PriceKey, source: str) -> Iterator[Rate]:
    minimums = {
        meter: least
        for (owner, name, meter), least in _MINIMUM.items()
        if (owner, name) == (provider.id, model.id)
    }
    when = _when(key)
    if not when:
        rates = tuple(_standard_rows(model, source))
    elif any(model is one for one in provider.models):
        rates = tuple(_variant_rows(model, when, _condition(key), source))
    else:  # a maker's discounts are not those of the provider that resells its model
        rates = ()
    for rate in rates:
        yield replace(rate, minimum=minimums.get(rate.meter))


def _variant_rows(model: Any, when: dict[str, str], name: str, source: str) -> tuple[Rate, ...]:
    """The rows under a condition, and the standard ones for what it does not price."""
    rates: tuple[Rate, ...] = ()
    for variant in model.price_variants or ():
        if variant.when == when:
            rates = laid_over(rates, _priced_rows(variant.prices, variant.constraint, source))
    if not rates:
        return ()
    since = None if any(r.from_ns is None for r in rates) else min(r.from_ns or 0 for r in rates)
    priced = {rate.meter for rate in rates}
    others = (
        between(noted(rate, f"no rate for {name}; the standard rate"), since, None)
        for rate in _standard_rows(model, source)
        if rate.meter not in priced
    )
    return (*rates, *(rate for rate in others if rate is not None))


def _standard_rows(model: Any, source: str) -> Iterator[Rate]:
    if not isinstance(model.prices, list):
        yield from _priced_rows(model.prices, None, source)
        return
    starts = sorted(_start(one.constraint) for one in model.prices if _dated(one.constraint))
    for one in model.prices:
        until = None
        if _dated(one.constraint):
            until = next((at for at in starts if at > _start(one.constraint)), None)
        elif one.constraint is None:
            until = starts[0] if starts else None
        for rate in _priced_rows(one.prices, one.constraint, source):
            yield replace(rate, until_ns=until)


def _dated(constraint: Any) -> bool:
    return hasattr(constraint, "start_date")


def _start(constraint: Any) -> int:
    day = constraint.start_date
    since = datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000_000_000


def _priced_rows(prices: Any, constraint: Any, source: str) -> Iterator[Rate]:
    from_ns = _start(constraint) if _dated(constraint) else None
    window = None
    if hasattr(constraint, "start_time"):
        window = (_second(constraint.start_time), _second(constraint.end_time))
    for field, (meters, per) in _FIELDS.items():
        for above, amount in _steps(getattr(prices, field, None)):
            for meter in meters:
                rate = Rate(
                    meter=meter,
                    price=amount,
                    source=source,
                    from_ns=from_ns,
                    window=window,
                    above=above,
                )
                yield for_one(rate, per)


def _second(at: time) -> int:
    offset = at.utcoffset()
    shift = int(offset.total_seconds()) if offset is not None else 0
    return (at.hour * 3600 + at.minute * 60 + at.second - shift) % 86_400


def _steps(price: Any) -> Iterator[tuple[int | None, Decimal]]:
    if price is None:
        return
    if isinstance(price, Decimal):
        yield None, price
        return
    yield None, price.base
    for tier in price.tiers:
        yield tier.start, tier.price
