"""The names that providers and their service tiers go by, for pricing."""

from agentmeter.model.providers import canonical

__all__ = ["canonical", "standard"]

_ORDINARY = frozenset({"default", "standard", "standard_only", "auto", "on_demand", "on-demand"})


def standard(tier: str | None) -> bool:
    """Whether a service tier is the ordinary one."""
    return tier is None or tier.lower() in _ORDINARY
