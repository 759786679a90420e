"""Where a body of the Messages API has its limits, and what of it bills what it does not show."""

import json
from typing import Any

from agentmeter.integration import Body, Bounds, parts_of

_UNSEEN = {"image": "an image", "document": "a document", "container_upload": "a file"}
_STORED = {"container": "a container", "mcp_servers": "the tools of a server"}


def _limit(body: Body) -> int | None:
    limit = body.get("max_tokens")
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else None


def _limited(body: Body, tokens: int) -> Body:
    """Thinking has its budget inside the limit; it is lowered with it."""
    thinking = body.get("thinking")
    lowered: dict[str, Any] = {**body, "max_tokens": tokens}
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if isinstance(budget, int) and budget >= tokens:
        lowered["thinking"] = {"type": "disabled"}
    return lowered


def _uncounted(body: Body) -> str | None:
    kinds = {part.get("type") for part in parts_of(body, "messages", "system")}
    found = {name for kind, name in _UNSEEN.items() if kind in kinds}
    found.update(name for field, name in _STORED.items() if body.get(field))
    for tool in body.get("tools") or ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in (None, "custom"):
            found.add(f"the tool {kind}")
    return f"{', '.join(sorted(found))}: not in the request's tokens" if found else None


def _writes_cache(body: Body) -> bool:
    """Nothing is written that nobody marks; text that speaks of marks is taken for one."""
    if body.get("cache_control"):
        return True
    marked = [body.get(name) for name in ("system", "messages", "tools")]
    return '"cache_control"' in json.dumps(marked, default=str)


MESSAGES = Bounds(
    limit_of=_limit, with_limit=_limited, uncounted=_uncounted, writes_cache=_writes_cache
)
