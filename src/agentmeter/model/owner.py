"""Owners: whom a request is billed to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DEFAULT = "owner.default."
"""Before a field's name: the attribute of a request that says what its earlier records had there,
until the application named somebody else."""
FIELDS = ("user", "tenant", "feature", "plan")
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

    def replaced_by(self, other: "Owner") -> dict[str, str]:
        """The fields that ``other`` states otherwise, as attributes of the request."""
        known = {name: (getattr(self, name), getattr(other, name)) for name in FIELDS}
        return {f"{DEFAULT}{n}": was for n, (was, now) in known.items() if was not in (None, now)}


NOBODY = Owner()
