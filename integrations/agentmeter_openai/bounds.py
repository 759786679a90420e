"""Where OpenAI's bodies have their limits, and what of them bills what they do not show."""

from collections.abc import Callable
from typing import Any

from agentmeter.integration import Body, Bounds, parts_of

_UNSEEN = {
    "image_url": "an image",
    "input_image": "an image",
    "computer_screenshot": "an image",
    "file": "a file",
    "input_file": "a file",
    "input_audio": "audio",
    "item_reference": "an earlier item",
    "reasoning": "sealed reasoning",
    "compaction": "sealed history",
}
"""Parts of the input whose tokens are not in the request, or not all of them."""
_STORED = {
    "previous_response_id": "an earlier response",
    "conversation": "a stored conversation",
    "prompt": "a stored prompt",
    "web_search_options": "a search",
}
"""Fields of a body that bring along what the request does not show."""


def count(value: Any) -> int | None:
    """A limit that a body states; ``None`` for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _chat_limit(body: Body) -> int | None:
    limits = (count(body.get(name)) for name in ("max_completion_tokens", "max_tokens"))
    return next((limit for limit in limits if limit is not None), None)


def _limit_chat(body: Body, tokens: int) -> Body:
    """``max_tokens`` where the caller uses it, since it is what older models and hosts know."""
    name = "max_tokens" if count(body.get("max_tokens")) is not None else "max_completion_tokens"
    return {**body, name: tokens}


def _limit_responses(body: Body, tokens: int) -> Body:
    return {**body, "max_output_tokens": tokens}


def _uncounted(*places: str) -> Callable[[Body], str | None]:
    def uncounted(body: Body) -> str | None:
        found = {name for field, name in _STORED.items() if body.get(field) is not None}
        for part in parts_of(body, *places):
            kind = part.get("type")
            found.update({_UNSEEN[kind]} if kind in _UNSEEN else ())
        found.update(
            f"the tool {kind}"
            for tool in body.get("tools") or ()
            if isinstance(tool, dict)
            and (kind := tool.get("type")) not in (None, "function", "custom")
        )
        return f"{', '.join(sorted(found))}: not in the request's tokens" if found else None

    return uncounted


def _choices(body: Body) -> int:
    return count(body.get("n")) or 1


def _prompts(body: Body) -> int:
    """How many prompts there are: one as text or tokens, or a list of such."""
    prompt = body.get("prompt")
    several = isinstance(prompt, (list, tuple)) and prompt and not isinstance(prompt[0], int)
    return len(prompt) if several else 1


CHAT = Bounds(
    limit_of=_chat_limit,
    with_limit=_limit_chat,
    choices=_choices,
    uncounted=_uncounted("messages"),
)
COMPLETIONS = Bounds(
    limit_of=lambda body: count(body.get("max_tokens")),
    with_limit=lambda body, tokens: {**body, "max_tokens": tokens},
    choices=lambda body: _prompts(body) * max(_choices(body), count(body.get("best_of")) or 1),
)
RESPONSES = Bounds(
    limit_of=lambda body: count(body.get("max_output_tokens")),
    with_limit=_limit_responses,
    uncounted=_uncounted("input"),
)
EMBEDDINGS = Bounds(limit_of=lambda body: 0)
