"""Where OpenAI's bodies have their limits, and what of them bills what they do not show."""

from agentmeter.integration import NO_OUTPUT, Body, Bounds, chat_bounds, limit, uncounted

CHAT = chat_bounds("max_completion_tokens", "max_tokens")
"""``max_tokens`` where the caller uses it, since it is what older models and hosts know."""


def _limit_responses(body: Body, tokens: int) -> Body:
    return {**body, "max_output_tokens": tokens}


def _prompts(body: Body) -> int:
    """How many prompts there are: one as text or tokens, or a list of such."""
    prompt = body.get("prompt")
    if not isinstance(prompt, (list, tuple)) or not prompt or isinstance(prompt[0], int):
        return 1
    return len(prompt)


def _completions(body: Body) -> int:
    return _prompts(body) * max(limit(body.get(name)) or 1 for name in ("n", "best_of"))


COMPLETIONS = Bounds(
    limit_of=lambda body: limit(body.get("max_tokens")),
    with_limit=lambda body, tokens: {**body, "max_tokens": tokens},
    choices=_completions,
)
RESPONSES = Bounds(
    limit_of=lambda body: limit(body.get("max_output_tokens")),
    with_limit=_limit_responses,
    uncounted=uncounted("input", prompt="a stored prompt"),
)
EMBEDDINGS = NO_OUTPUT
