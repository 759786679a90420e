"""The default pricer: the catalog of genai-prices, corrected and completed by the supplement."""

import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.resources import files

from agentmeter.model.money import CONTEXT, plain
from agentmeter.pricing.catalog import GenAIPrices
from agentmeter.pricing.providers import canonical
from agentmeter.pricing.rates import Row, laid_by_closeness, ordinary, tier_of
from agentmeter.pricing.rows import UNMATCHED, between, laid_over, noted, own, with_derived
from agentmeter.pricing.supplement import (
    Multiplier,
    Pattern,
    Supplement,
    read_supplement,
    somewhere,
)
from agentmeter.pricing.tariff import PriceKey, Rate, Tariff, Unpriced


class Catalog:
    """The prices that agentmeter ships: genai-prices, corrected and completed; loaded at need.

    Conditions that it does not know are never priced as standard: a tier, batch or speed without a
    price is ``Unpriced``, and a region or deployment without one is said in ``Rate.assumed``.
    """

    def __init__(
        self, base: GenAIPrices | None = None, supplement: Supplement | None = None
    ) -> None:
        self._base = base or GenAIPrices()
        self._given = supplement
        self._lock = threading.RLock()

    def tariff(self, key: PriceKey) -> Tariff | Unpriced:
        """The tariff for ``key``: every rate with its history, source and conditions."""
        if key.model is None:
            return self._base.tariff(key)
        asked = _plainly(key)
        if not asked.provider:
            asked = replace(asked, provider=self._base.provider_of(key.model))
        asked = replace(asked, model=self._base.plain_model(key.model, asked.provider))
        supplement = self._supplement()
        for refusal in supplement.refusals:
            if _applies(refusal.pattern, asked):
                return Unpriced(refusal.reason)
        named = _priced_as(asked, supplement)
        found = self._served(named, supplement)
        if isinstance(found, Unpriced):
            return found
        placed = tuple(_placed(found.rates, named, supplement))
        return Tariff(key, found.currency, found.version, with_derived(placed))

    def models(self) -> Iterator[tuple[str, str]]:
        """The providers and models that are listed by name."""
        return self._base.models()

    def context_window(self, provider: str | None, model: str) -> int | None:
        """How many tokens a model takes in and gives out together; ``None`` where nobody says."""
        return self._base.context_window(provider, model)

    def max_output(self, provider: str | None, model: str) -> int | None:
        """How many tokens a model generates at most in one answer; ``None`` where nobody says."""
        key = PriceKey(provider, self._base.plain_model(model, provider))
        limits = self._supplement().limits
        return next((one.max_output for one in limits if one.pattern.names(key)), None)

    def _supplement(self) -> Supplement:
        with self._lock:
            if self._given is None:
                text = files("agentmeter.pricing").joinpath("supplement.toml").read_text("utf-8")
                self._given = read_supplement(text, "supplement.toml")
        return self._given

    def _served(self, key: PriceKey, supplement: Supplement) -> Tariff | Unpriced:
        """The rates at the tier and speed that served, wherever it was."""
        stated = _matching(supplement.rates, key)
        found = self._base.tariff(replace(key, region=None, deployment=None, search_context=None))
        rates = stated if isinstance(found, Unpriced) else laid_over(stated, own(found.rates))
        if (tier_of(key), ordinary(key.speed)) != (None, None):
            usual = self._served(replace(key, tier=None, batch=False, speed=None), supplement)
            if isinstance(usual, Tariff):
                rates = laid_over(rates, _multiplied(usual.rates, key, supplement))
        if not rates:
            return found if isinstance(found, Unpriced) else Unpriced("no rate is known")
        rates = laid_over(rates, _matching(supplement.fills, key))
        return Tariff(key, "USD", f"{self._base.version} + agentmeter {supplement.version}", rates)


_AWS_REGION = re.compile(r"(?:^|[:/])([a-z]{2}(?:-[a-z]+)+-\d)[:/]")


def _plainly(key: PriceKey) -> PriceKey:
    """A deployment for batches (``global-batch``, ``DataZoneBatch``) as batch and deployment.

    Amazon's names of models may hold the region: ``bedrock/eu-west-2/…``, and an ARN.
    """
    named = _AWS_REGION.search(key.model or "") if canonical(key.provider) == "aws" else None
    if named is not None and key.region is None:
        key = replace(key, region=named[1])
    deployment = (key.deployment or "").lower()
    if not deployment.endswith("batch"):
        return key
    return replace(key, batch=True, deployment=deployment.removesuffix("batch").rstrip("-_ "))


def _matching(rows: Iterable[Row], key: PriceKey) -> tuple[Rate, ...]:
    return laid_by_closeness(row for row in rows if row.matches(key))


def _applies(pattern: Pattern, key: PriceKey) -> bool:
    served = pattern.served(key) if (pattern.tier or pattern.speed) else True
    here = not pattern.places or any(pattern.placed(place) for place in _places(key))
    return pattern.names(key) and served and here


def _places(key: PriceKey) -> tuple[str | None, ...]:
    return (key.deployment, key.region)


def _priced_as(key: PriceKey, supplement: Supplement) -> PriceKey:
    for alias in supplement.aliases:
        if _applies(alias.pattern, key):
            return replace(key, model=alias.priced_as.format(model=key.model))
    return key


def _multiplied(rates: tuple[Rate, ...], key: PriceKey, supplement: Supplement) -> tuple[Rate, ...]:
    """The rates of a tier or speed that is priced as so many times the standard ones."""
    result: tuple[Rate, ...] = ()
    for one in supplement.multipliers:
        if one.pattern.names(key) and one.pattern.served(key) and not one.pattern.places:
            scaled = tuple(_scaled(rates, one))
            others = (rate for rate in rates if rate.meter not in one.meters)
            note = f"no rate for {one.name}; the standard rate"
            kept = (between(noted(rate, note), one.from_ns, one.until_ns) for rate in others)
            result = laid_over(result, (*scaled, *(rate for rate in kept if rate is not None)))
    return result


def _scaled(rates: Iterable[Rate], one: Multiplier) -> Iterator[Rate]:
    for rate in rates:
        trimmed = between(rate, one.from_ns, one.until_ns)
        if trimmed is not None and rate.meter in one.meters:
            yield _times(trimmed, one)


def _times(rate: Rate, one: Multiplier) -> Rate:
    source = f"{rate.source}; x {plain(one.times)} {one.name}: {one.source}"
    return replace(rate, price=CONTEXT.multiply(rate.price, one.times), source=source)


def _placed(rates: tuple[Rate, ...], key: PriceKey, supplement: Supplement) -> Iterator[Rate]:
    """The rates where the call was served: the deployment decides, else the region."""
    unmatched = []
    for place, what in ((key.deployment, "deployment"), (key.region, "region")):
        if somewhere(place) is None:
            continue
        found = [
            one
            for one in supplement.multipliers
            if one.pattern.names(key) and one.pattern.placed(place)
        ]
        if found:
            rates = tuple(_uplifted(rates, found))
            break
        unmatched.append(f"{UNMATCHED}no price is known for {what} {place!r}")
    for rate in rates:
        yield noted(rate, "; ".join(unmatched)) if unmatched else rate


def _uplifted(rates: tuple[Rate, ...], found: list[Multiplier]) -> Iterator[Rate]:
    """Each rate with the first multiplier that is for its meter, while that holds."""
    for rate in rates:
        spans = [rate]
        for one in found:
            if rate.meter not in one.meters:
                continue
            inside = [between(part, one.from_ns, one.until_ns) for part in spans]
            marked = tuple(part for part in inside if part is not None)
            spans = [part for part in laid_over(marked, spans) if part not in marked]
            yield from (part if one.times == 1 else _times(part, one) for part in marked)
        yield from spans
