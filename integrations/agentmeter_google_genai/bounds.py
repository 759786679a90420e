"""Where Gemini's bodies have their limits, and what of them bills what they do not show."""

from collections.abc import Iterator
from typing import Any

from agentmeter.integration import Body, Bounds, limit

_UNSEEN = {"inlineData": "media", "fileData": "a file"}


def _config(body: Body) -> dict[str, Any]:
    return body.get("generationConfig") or {}


def _limited(body: Body, tokens: int) -> Body:
    """Thoughts are inside the limit."""
    return {**body, "generationConfig": {**_config(body), "maxOutputTokens": tokens}}


def _parts(body: Body) -> Iterator[dict[str, Any]]:
    for content in (*(body.get("contents") or ()), body.get("systemInstruction")):
        yield from (content or {}).get("parts") or ()


def _uncounted(body: Body) -> str | None:
    found = {told for name, told in _UNSEEN.items() if any(name in one for one in _parts(body))}
    if body.get("cachedContent"):
        found.add("cached content")
    for tool in body.get("tools") or ():
        found.update(f"the tool {name}" for name in tool if name != "functionDeclarations")
    return f"{', '.join(sorted(found))}: not in the request's tokens" if found else None


CONTENT = Bounds(
    limit_of=lambda body: limit(_config(body).get("maxOutputTokens")),
    with_limit=_limited,
    choices=lambda body: limit(_config(body).get("candidateCount")) or 1,
    uncounted=_uncounted,
    writes_cache=lambda body: False,
)
"""What a request writes to a cache costs no more than input."""
