"""What anthropic's client has of its own: its endpoints, its batches, and who serves."""

from collections.abc import Mapping
from typing import Any

from agentmeter.integration import (
    Batches,
    Body,
    Endpoint,
    StainlessLibrary,
    StainlessPatch,
    served_by,
)
from agentmeter_anthropic.batches import passing
from agentmeter_anthropic.bounds import MESSAGES
from agentmeter_anthropic.messages import MessageStream, count_input, facts, texts

_CLIENTS = (
    ("Bedrock", "aws", "aws_region"),
    ("Vertex", "google", "region"),
    ("Foundry", "azure", ""),
)
"""Clients for those who serve Anthropic's models: a word of the class's name, the provider, and
the client's attribute that has the region."""

_MESSAGES = Endpoint(
    operation="chat",
    facts=facts,
    texts=texts,
    accumulator=lambda exchange: MessageStream(),
    count_input=count_input,
    shape="anthropic.messages",
    bounds=MESSAGES,
)
BATCHES = Batches()


def _served(client: Any, body: Body) -> Mapping[str, Any]:
    kind = type(client).__name__
    for word, provider, region in _CLIENTS:
        if word in kind:
            return {"provider": provider, "region": getattr(client, region, None)}
    model = body.get("model")
    named = model if isinstance(model, str) else None
    served = served_by(str(client.base_url), "anthropic", named, _is_anthropics)
    return {"provider": served.provider, "region": served.region}


def _is_anthropics(model: str) -> bool:
    return model.removeprefix("anthropic/").startswith("claude")


def _passing(client: Any, options: Any, result: Any) -> Any:
    return passing(BATCHES, options, result, _served(client, {}))


PATCH = StainlessPatch(
    StainlessLibrary(
        package="anthropic",
        endpoints={"/messages": _MESSAGES},
        served=_served,
        passing=_passing,
    )
)
