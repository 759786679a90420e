"""OpenAI's own tools, which bill by the call or by the session, beside the tokens."""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agentmeter.integration import (
    REPORTED,
    Call,
    Endpoint,
    Evidence,
    Extent,
    Source,
    Usage,
)
from agentmeter_openai.streams import item

_AT_LEAST = Evidence(Source.ESTIMATED, Extent.AT_LEAST)
_MEMORY = {
    "4g": "code_interpreter_4g",
    "16g": "code_interpreter_16g",
    "64g": "code_interpreter_64g",
}
_MOST_CONTAINERS = 4096


class Containers:
    """The containers whose session has been counted.

    A session is twenty minutes of a container, and no answer tells when one begins: the first sight
    of a container is one session at least.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, container_id: str) -> bool:
        """Whether a container is seen for the first time."""
        if container_id in self._seen:
            return False
        self._seen[container_id] = None
        while len(self._seen) > _MOST_CONTAINERS:
            self._seen.popitem(last=False)
        return True

    def forget(self) -> None:
        """Know of none any more."""
        self._seen.clear()


CONTAINERS = Containers()


def with_tools(said: Call, response: Any) -> Call:
    """What a response says, with what its tools bill by the call."""
    used = _used(response)
    if not used or not said.usage:
        return said
    usage = Usage({**said.usage, **used})
    evidence = dict.fromkeys(usage, REPORTED)
    sessions = {name: _AT_LEAST for name in used if name.startswith("code_interpreter")}
    return replace(said, usage=usage, evidence={**evidence, **sessions})


def _used(response: Any) -> Mapping[str, int]:
    used: Counter[str] = Counter()
    told = _billed_searches(response)
    if told:
        used[_search_meter(response)] = told
    for one in item(response, "output") or ():
        kind = item(one, "type")
        if kind == "web_search_call" and told is None and _searches(one):
            used[_search_meter(response)] += 1
        elif kind == "file_search_call":
            used["file_search"] += 1
        elif kind == "code_interpreter_call":
            container = item(one, "container_id")
            if isinstance(container, str) and CONTAINERS.is_new(container):
                used[_session_meter(response)] += 1
    return used


def _billed_searches(response: Any) -> int | None:
    """The searches that bill, which some do not, where a response tells how many."""
    told = item(item(item(response, "tool_usage"), "web_search"), "num_requests")
    return told if isinstance(told, int) else None


def _searches(call: Any) -> bool:
    """Opening a page that was found, or looking for a word in it, is no search."""
    return item(item(call, "action"), "type") in (None, "search")


def _search_meter(response: Any) -> str:
    kinds = {item(tool, "type") for tool in item(response, "tools") or ()}
    earlier = any(str(kind).startswith("web_search_preview") for kind in kinds)
    return "web_search_preview" if earlier else "web_search"


def _session_meter(response: Any) -> str:
    """By the memory of the container that the tool asks for; one gigabyte is the default."""
    for tool in item(response, "tools") or ():
        limit = item(item(tool, "container"), "memory_limit")
        if limit in _MEMORY:
            return _MEMORY[limit]
    return "code_interpreter"


def _container_facts(answer: Any, provider: str | None) -> Call:
    """A container that is created begins a session, and is counted for it here."""
    CONTAINERS.is_new(str(item(answer, "id")))
    meter = _MEMORY.get(item(answer, "memory_limit") or "", "code_interpreter")
    return Call(usage=Usage({meter: 1}), evidence={meter: _AT_LEAST})


CONTAINER = Endpoint(operation="create_container", facts=_container_facts)
