"""The names that providers and their service tiers go by, for pricing."""

from agentmeter.model.providers import canonical

__all__ = ["canonical", "standard"]


def standard(tier: str | None) -> bool:
    """Whether a service tier is the ordinary one."""
    return tier is None or tier.lower() in ("default", "standard", "auto", "on_demand", "on-demand")
