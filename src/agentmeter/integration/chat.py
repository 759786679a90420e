"""Bodies in OpenAI's shape, which many clients speak: where their limits are, and what of them
bills what they do not show.
"""

from collections.abc import Callable
from typing import Any

from agentmeter.integration.bounds import Body, Bounds, parts_of

_UNSEEN = {
    "image_url": "an image",
    "input_image": "an image",
    "computer_screenshot": "an image",
    "file": "a file",
    "input_file": "a file",
    "document": "a document",
    "document_url": "a document",
    "input_audio": "audio",
    "item_reference": "an earlier item",
    "reasoning": "sealed reasoning",
    "compaction": "sealed history",
}
"""Parts of the input whose tokens are not in the request, or not all of them."""
_STORED = {
    "previous_response_id": "an earlier response",
    "conversation": "a stored conversation",
    "conversation_id": "a stored conversation",
    "agent_id": "a stored agent",
    "web_search_options": "a search",
    "connectors": "a search",
    "documents": "documents",
}
"""Fields of a body that bring along what the request does not show."""


def limit(value: Any) -> int | None:
    """A limit that a body states; ``None`` for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def uncounted(*places: str, **stored: str) -> Callable[[Body], str | None]:
    """What of a body bills input that cannot be counted from it: parts in ``places``, fields that
    bring along what is stored elsewhere (``stored`` are further ones), tools of the provider's.
    """
    bringing = {**_STORED, **stored}

    def uncounted(body: Body) -> str | None:
        found = {name for field, name in bringing.items() if _is_given(body.get(field))}
        for part in parts_of(body, *places):
            kind = part.get("type")
            found.update({_UNSEEN[kind]} if isinstance(kind, str) and kind in _UNSEEN else ())
        tools = body.get("tools")
        found.update(
            f"the tool {kind}"
            for tool in (tools if isinstance(tools, (list, tuple)) else ())
            if isinstance(tool, dict)
            and (kind := tool.get("type")) not in (None, "function", "custom")
        )
        return f"{', '.join(sorted(found))}: not in the request's tokens" if found else None

    return uncounted


def _is_given(value: Any) -> bool:
    """Whether a field is more than a client's mark for one that was left out."""
    return isinstance(value, (str, dict, list, tuple)) and (value == {} or bool(value))


def chat_bounds(*names: str, choices: str = "n") -> Bounds:
    """Bounds of a chat whose limit bears one of ``names``: where none is given, the first is set.

    ``choices`` is the field that says how many answers are generated.
    """

    def limit_of(body: Body) -> int | None:
        limits = (limit(body.get(name)) for name in names)
        return next((one for one in limits if one is not None), None)

    def with_limit(body: Body, tokens: int) -> Body:
        given = [name for name in names if limit(body.get(name)) is not None] or [names[0]]
        return {**body, **dict.fromkeys(given, tokens)}

    return Bounds(
        limit_of=limit_of,
        with_limit=with_limit,
        choices=lambda body: limit(body.get(choices)) or 1,
        uncounted=uncounted("messages"),
    )


NO_OUTPUT = Bounds(limit_of=lambda body: 0)
"""Of what generates nothing: embeddings, rankings."""
