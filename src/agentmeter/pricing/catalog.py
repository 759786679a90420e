"""The default catalog: genai-prices' bundled data as tariffs.

genai-prices resolves providers and models; its price rows, history and conditions become explicit
rows here, and the arithmetic is ours. What it does silently is said aloud: a tier it has no
price for is unpriced before the day its prices begin, and a meter billed at another meter's rate
carries that as ``assumed``.
"""

import difflib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced

_FIELDS: dict[str, tuple[tuple[str, ...], int]] = {
    "input_mtok": (("input",), 6),
    "cache_read_mtok": (("cache_read",), 6),
    "cache_write_mtok": (("cache_write", "cache_write_5m"), 6),
    "cache_write_1h_mtok": (("cache_write_1h",), 6),
    "input_audio_mtok": (("input_audio",), 6),
    "input_image_mtok": (("input_image",), 6),
    "input_video_mtok": (("input_video",), 6),
    "cache_audio_read_mtok": (("cache_read_audio",), 6),
    "cache_image_read_mtok": (("cache_read_image",), 6),
    "output_mtok": (("output",), 6),
    "output_reasoning_mtok": (("reasoning",), 6),
    "output_audio_mtok": (("output_audio",), 6),
    "output_image_mtok": (("output_image",), 6),
    "web_searches_kcount": (("web_search",), 3),
    "storage_searches_kcount": (("file_search",), 3),
    "requests_kcount": (("request",), 3),
    "input_document_kpages": (("page",), 3),
    "input_mchars": (("character",), 6),
}
"""genai-prices' field → our meters, and the power of ten that its price is for."""

_BILLED_AS = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_5m": "cache_write",
    "cache_write_1h": "cache_write",
    "input_audio": "input",
    "input_image": "input",
    "input_video": "input",
    "cache_read_audio": "cache_read",
    "cache_read_image": "cache_read",
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
}
"""A meter without a rate of its own is billed at its parent's, as genai-prices decomposes usage."""

_PROVIDERS = {
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "gemini": "google",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "vertex": "google",
    "vertex_ai": "google",
    "azure_openai": "azure",
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "mistral_ai": "mistral",
    "xai": "x-ai",
    "x_ai": "x-ai",
}
_STANDARD = (None, "default", "standard", "auto")


class GenAIPrices:
    """A pricer over the data that the installed genai-prices bundles; loaded at first need."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Any = None
        self._version = ""

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The tariff for ``key``: every price row of its model, with history."""
        if key.model is None:
            return Unpriced("the call names no model")
        snapshot = self._loaded()
        provider = _PROVIDERS.get(key.provider or "", key.provider)
        try:
            _, model = snapshot.find_provider_model(key.model, None, provider, None)
        except LookupError:
            return Unpriced(_unknown(snapshot, key, provider))
        rates = tuple(_with_parents(list(_rows(model, key, self._version))))
        if not rates:
            return Unpriced(f"{self._version} has no price for {_condition(key)} of {key.model!r}")
        return Tariff(key, "USD", self._version, rates)

    def _loaded(self) -> Any:
        with self._lock:
            if self._snapshot is None:
                from importlib.metadata import version

                from genai_prices.data import providers
                from genai_prices.data_snapshot import DataSnapshot

                self._version = f"genai-prices {version('genai-prices')}"
                self._snapshot = DataSnapshot(providers=providers, from_auto_update=False)
        return self._snapshot


def _condition(key: PriceKey) -> str:
    return "batch" if key.batch else f"service tier {key.tier!r}"


def _unknown(snapshot: Any, key: PriceKey, provider: str | None) -> str:
    names = [
        model.id
        for known in snapshot.providers
        if provider is None or known.id == provider
        for model in known.models
    ]
    if provider is not None and not names:
        return f"unknown provider {key.provider!r} (model {key.model!r})"
    near = difflib.get_close_matches((key.model or "").lower(), names, n=1, cutoff=0.75)
    hint = f"; the nearest known is {near[0]!r}" if near else ""
    return f"unknown model {key.model!r} of provider {key.provider!r}{hint}"


def _rows(model: Any, key: PriceKey, source: str) -> Iterator[Rate]:
    standard = list(_standard_rows(model, source))
    when = _variant(key)
    if when is None:
        yield from standard
        return
    priced: set[str] = set()
    begins: list[int] = []
    for variant in model.price_variants or ():
        if variant.when == when:
            for rate in _priced_rows(variant.prices, variant.constraint, source):
                priced.add(rate.meter)
                begins.append(rate.from_ns or 0)
                yield rate
    if priced:
        since = min(begins)
        for rate in standard:
            if rate.meter not in priced:
                note = f"no rate for {_condition(key)}; the standard rate"
                yield replace(rate, from_ns=max(rate.from_ns or 0, since), assumed=note)


def _variant(key: PriceKey) -> dict[str, str] | None:
    when: dict[str, str] = {}
    if key.batch or key.tier == "batch":
        when["processing"] = "batch"
    elif key.tier not in _STANDARD:
        when["service_tier"] = str(key.tier)
    if key.speed not in (None, "standard"):
        when["speed"] = str(key.speed)
    return when or None


def _standard_rows(model: Any, source: str) -> Iterator[Rate]:
    if not isinstance(model.prices, list):
        yield from _priced_rows(model.prices, None, source)
        return
    dated = [one for one in model.prices if hasattr(one.constraint, "start_date")]
    for one in model.prices:
        until = None
        if one in dated or one.constraint is None:
            later = [d for d in dated if _start(d.constraint) > _start(one.constraint)]
            until = min((_start(d.constraint) for d in later), default=None)
        for rate in _priced_rows(one.prices, one.constraint, source):
            yield replace(rate, until_ns=until)


def _start(constraint: Any) -> int:
    if constraint is None:
        return -1
    day = constraint.start_date
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000


def _priced_rows(prices: Any, constraint: Any, source: str) -> Iterator[Rate]:
    from_ns = _start(constraint) if hasattr(constraint, "start_date") else None
    window = None
    if hasattr(constraint, "start_time"):
        window = (_second(constraint.start_time), _second(constraint.end_time))
    for field, (meters, scale) in _FIELDS.items():
        for above, amount in _steps(getattr(prices, field, None)):
            for meter in meters:
                yield Rate(
                    meter=meter,
                    price=amount.scaleb(-scale),
                    source=source,
                    from_ns=from_ns,
                    window=window,
                    above=above,
                )


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


def _with_parents(rates: list[Rate]) -> Iterator[Rate]:
    """The rows, and a row at the parent's rate for every meter that has none of its own."""
    yield from rates
    by_meter: dict[str, list[Rate]] = {}
    for rate in rates:
        by_meter.setdefault(rate.meter, []).append(rate)
    for meter, parent in _BILLED_AS.items():
        if meter not in by_meter and parent in by_meter:
            own = [
                replace(rate, meter=meter, assumed=f"no rate of its own; billed as {parent}")
                for rate in by_meter[parent]
            ]
            by_meter[meter] = own
            yield from own
