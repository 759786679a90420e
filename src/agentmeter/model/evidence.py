"""Evidence: where a quantity comes from, and how much of the truth it covers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Source(StrEnum):
    """Who says so."""

    REPORTED = "reported"
    """The provider."""
    CHARGED = "charged"
    """The application."""
    ESTIMATED = "estimated"
    """A tokenizer."""


class Extent(StrEnum):
    """How much of the truth a quantity covers."""

    WHOLE = "whole"
    AT_LEAST = "at_least"
    """A stream was cut: what had arrived by then. Or an attempt was lost: what the others used."""
    UNKNOWN = "unknown"
    """Nothing is known; the quantity is absent, which is not zero."""


_SOURCE_RANK = {Source.REPORTED: 2, Source.CHARGED: 1, Source.ESTIMATED: 0}
_EXTENT_RANK = {Extent.WHOLE: 2, Extent.AT_LEAST: 1, Extent.UNKNOWN: 0}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The source and the extent of one meter's quantity."""

    source: Source = Source.REPORTED
    extent: Extent = Extent.WHOLE

    def __str__(self) -> str:
        if self.extent is Extent.UNKNOWN:
            return "unknown"
        return f"{self.source}" if self.extent is Extent.WHOLE else f"{self.source}, {self.extent}"

    @property
    def rank(self) -> tuple[int, int]:
        """Orders evidence from the weakest to the strongest: extent known at all, then source."""
        known = 0 if self.extent is Extent.UNKNOWN else 1
        return (known * (1 + _SOURCE_RANK[self.source]), _EXTENT_RANK[self.extent])


REPORTED = Evidence()
CHARGED = Evidence(Source.CHARGED)
ESTIMATED = Evidence(Source.ESTIMATED)
UNKNOWN = Evidence(Source.ESTIMATED, Extent.UNKNOWN)


def as_lower_bound(known: Mapping[str, Evidence]) -> dict[str, Evidence]:
    """What was known as whole is at least that: more was used than anybody here was told."""
    return {
        meter: replace(one, extent=Extent.AT_LEAST) if one.extent is Extent.WHOLE else one
        for meter, one in known.items()
    }


def weakest(known: Collection[Evidence]) -> str:
    """The weakest of several, as one word: its extent where that is not whole, else its source."""
    extents = {one.extent for one in known}
    if Extent.UNKNOWN in extents or not known:
        return Extent.UNKNOWN.value
    if Extent.AT_LEAST in extents:
        return Extent.AT_LEAST.value
    sources = {one.source for one in known}
    order = (Source.ESTIMATED, Source.CHARGED, Source.REPORTED)
    return next(source.value for source in order if source in sources)
