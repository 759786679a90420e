"""``am.price``: one usage object priced, without a scope and without a record."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.pricing.cost import Cost
from agentmeter.report.priced import Served, instant_ns, priced
from agentmeter.runtime.state import STATE
from agentmeter.semconv.usage import plain_mapping


def price(
    usage: Any,
    *,
    provider: str,
    model: str,
    api: str | None = None,
    at: str | datetime | None = None,
    service_tier: str | None = None,
    batch: bool = False,
    speed: str | None = None,
    region: str | None = None,
    deployment: str | None = None,
    search_context_size: str | None = None,
    tools: Mapping[str, int] | None = None,
) -> Cost:
    """What a provider's usage object cost, exactly, by the prices in force at ``at`` (now).

    ``usage`` is the raw object of any provider, or a ``Usage``; what it says itself about its tier,
    speed, region or cost goes over the arguments. ``tools`` counts what the provider's tools did:
    ``{"web_search": 3}``. The result has ``lines``, ``amount``, and a ``gap`` for each quantity
    that has no price. Raises ``UsageError`` for impossible usage.
    """
    served = Served(
        usage=plain_mapping(usage) or {},
        at_ns=STATE.now_ns() if at is None else instant_ns(at),
        provider=provider,
        model=model,
        api=api,
        service_tier=service_tier,
        batch=batch,
        speed=speed,
        region=region,
        deployment=deployment,
        search_context_size=search_context_size,
        tools=tools or {},
    )
    pricer = STATE.ready().pricer
    if pricer is None:
        raise ConfigurationError("no pricer is configured; call agentmeter.configure()")
    return priced(served, pricer)
