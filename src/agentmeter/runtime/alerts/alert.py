"""The value that callbacks get."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from agentmeter.model import Owner
from agentmeter.model.money import plain

Fact = str | int | Decimal


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that was asked to be told of: the event, the request, and the figures by name."""

    event: str
    request_id: str
    owner: Owner
    at_ns: int
    facts: Mapping[str, Fact]

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

    def attributes(self) -> dict[str, str | int]:
        """The facts as the attributes of a span's event; amounts are decimal strings."""
        return {
            f"agentmeter.alert.{name}": plain(fact) if isinstance(fact, Decimal) else fact
            for name, fact in self.facts.items()
        }
