"""Which models prices are known of: a pattern in a plan that means none of them charges nothing."""

from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cached_property

from agentmeter.pricing.ratecard import RateCard
from agentmeter.pricing.supplemented import Catalog
from agentmeter.pricing.tariff import PriceKey, Tariff


class KnownModels:
    """The models of the catalog and of a rate card; the catalog is loaded at the first question."""

    def __init__(self, card: RateCard | None = None, catalog: Catalog | None = None) -> None:
        self._card = card.models if card is not None else ()
        self._catalog = catalog or Catalog()

    def has(self, pattern: str) -> bool:
        """Whether a name or pattern, in lower case, means a model that prices are known of."""
        return (
            any(_meet(pattern, one) for one in self._card)
            or any(fnmatchcase(name, pattern) for name in self._names)
            or self._is_priced(pattern.strip("*"))
        )

    def nearest(self, pattern: str) -> str | None:
        """The name that was perhaps meant."""
        near = get_close_matches(pattern.strip("*"), self._names, n=1)
        return near[0] if near else None

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(model.lower() for _, model in self._catalog.models()))

    def _is_priced(self, name: str) -> bool:
        """Whether any provider has a price for it, by a date or a region in the name as well."""
        providers = dict.fromkeys(provider for provider, _ in self._catalog.models())
        keys = (PriceKey(provider, name) for provider in providers)
        return any(isinstance(self._catalog.tariff(key), Tariff) for key in keys)


def _meet(one: str, other: str) -> bool:
    return fnmatchcase(one, other) or fnmatchcase(other, one)
