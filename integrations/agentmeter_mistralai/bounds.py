"""Where the arguments of Mistral's client have their limits."""

from typing import Any

from agentmeter.integration import Body, Bounds, chat_bounds, limit, uncounted

CHAT = chat_bounds("max_tokens")


def _limits(body: Body) -> Any:
    """The completion's arguments: a mapping, an object of the client's, or its mark for none."""
    given = body.get("completion_args")
    return given if isinstance(given, dict) else vars(given) if hasattr(given, "max_tokens") else {}


def _limited(body: Body, tokens: int) -> Body:
    given: Any = body.get("completion_args")
    if hasattr(given, "model_copy") and hasattr(given, "max_tokens"):
        return {**body, "completion_args": given.model_copy(update={"max_tokens": tokens})}
    return {**body, "completion_args": {**_limits(body), "max_tokens": tokens}}


CONVERSATIONS = Bounds(
    limit_of=lambda body: limit(_limits(body).get("max_tokens")),
    with_limit=_limited,
    uncounted=uncounted("inputs"),
)
