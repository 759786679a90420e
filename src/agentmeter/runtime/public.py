"""The scopes as people write them: ``@am.agent``, ``@am.agent("planner")``, ``with am.step()``."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from agentmeter.runtime.call import CallScope
from agentmeter.runtime.request import RequestScope
from agentmeter.runtime.scope import (
    AgentScope,
    BranchScope,
    Scope,
    StepScope,
    ToolScope,
)

F = TypeVar("F", bound=Callable[..., Any])
Given = str | Callable[..., str | None] | None
"""An owner field: a value, or a callable over the decorated function's arguments, by name."""


@overload
def request(function: F, /) -> F: ...
@overload
def request(
    name: str | None = None,
    /,
    *,
    user: Given = None,
    tenant: Given = None,
    feature: Given = None,
    plan: Given = None,
    tags: Mapping[str, str] | Callable[..., Mapping[str, str]] | None = None,
    new: bool = False,
    id: str | None = None,
) -> RequestScope: ...
def request(
    name: Any = None,
    /,
    *,
    user: Given = None,
    tenant: Given = None,
    feature: Given = None,
    plan: Given = None,
    tags: Mapping[str, str] | Callable[..., Mapping[str, str]] | None = None,
    new: bool = False,
    id: str | None = None,  # noqa: A002  # the field's own name
) -> Any:
    """What the end user asked once: the unit that is billed and reported.

    Owner fields are values, or callables over the decorated function's arguments. Inside another
    request it joins that one and fills its blank owner fields; ``new=True`` starts one that is
    billed by itself. ``id`` takes an id of your own in place of a minted one.
    """
    if _is_function(name):
        return RequestScope()(name)
    owner = {"user": user, "tenant": tenant, "feature": feature, "plan": plan, "tags": tags}
    return RequestScope(name, owner=owner, new=new, request_id=id)


@overload
def agent(function: F, /) -> F: ...
@overload
def agent(name: str | None = None, /, **attributes: str) -> AgentScope: ...
def agent(name: Any = None, /, **attributes: str) -> Any:
    """An agent at work; attributes are kept on its record as text."""
    return _made(AgentScope, name, attributes)


@overload
def step(function: F, /) -> F: ...
@overload
def step(name: str | None = None, /, **attributes: str) -> StepScope: ...
def step(name: Any = None, /, **attributes: str) -> Any:
    """A step of an agent's work: a plan, a retrieval, a refinement."""
    return _made(StepScope, name, attributes)


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(name: str | None = None, /, **attributes: str) -> ToolScope: ...
def tool(name: Any = None, /, **attributes: str) -> Any:
    """A tool that an agent runs."""
    return _made(ToolScope, name, attributes)


@overload
def branch(function: F, /) -> F: ...
@overload
def branch(name: str | None = None, /, **attributes: str) -> BranchScope: ...
def branch(name: Any = None, /, **attributes: str) -> Any:
    """A branch that may be thrown away: ``branch.discard()`` makes its cost waste."""
    return _made(BranchScope, name, attributes)


@overload
def call(function: F, /) -> F: ...
@overload
def call(
    name: str | None = None,
    /,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str = "chat",
) -> CallScope: ...
def call(
    name: Any = None,
    /,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str = "chat",
) -> Any:
    """One leaf that consumes, for clients without an integration; ``record`` what it used.

    ``provider`` and ``model`` as the provider names them; ``operation`` is the conventions'
    ``gen_ai.operation.name``: ``chat``, ``embeddings`` …
    """
    if _is_function(name):
        return CallScope(operation=operation)(name)
    return CallScope(name, provider=provider, model=model, operation=operation)


def _is_function(given: Any) -> bool:
    """Whether a scope is used as a bare decorator; a ``classmethod`` cannot be called itself."""
    return callable(given) or isinstance(given, classmethod)


def _made(kind: type[Scope], name: Any, attributes: Mapping[str, str]) -> Any:
    if _is_function(name):
        return kind()(name)
    return kind(name, {key: str(value) for key, value in attributes.items()})
