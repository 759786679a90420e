"""Owners: whom a request is billed to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NO_TAGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a request is billed to. Blank fields are ``None``; tags are free text by name."""

    user: str | None = None
    tenant: str | None = None
    feature: str | None = None
    plan: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: _NO_TAGS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tags", MappingProxyType(dict(sorted(self.tags.items()))))

    def filled_from(self, other: "Owner") -> "Owner":
        """An owner like this one, with its blank fields taken from ``other``."""
        if other is NOBODY or other == self:
            return self
        return Owner(
            self.user if self.user is not None else other.user,
            self.tenant if self.tenant is not None else other.tenant,
            self.feature if self.feature is not None else other.feature,
            self.plan if self.plan is not None else other.plan,
            {**other.tags, **self.tags},
        )


NOBODY = Owner()
