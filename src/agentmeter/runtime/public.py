"""The scopes as people write them: ``@am.agent``, ``@am.agent("planner")``, ``with am.step()``."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from agentmeter.exceptions import ConfigurationError, UsageError
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.request import RequestScope
from agentmeter.runtime.scope import (
    AgentScope,
    BranchScope,
    Scope,
    StepScope,
    ToolScope,
)
from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.runtime.budget.value import Budget

F = TypeVar("F", bound=Callable[..., Any])
Given = str | Callable[..., str | None] | None
"""An owner field: a value, or a callable over the decorated function's arguments, by name."""


@overload
def request(function: F, /) -> F: ...
@overload
def request(
    name: str | None = None,
    *,
    user: Given = None,
    tenant: Given = None,
    feature: Given = None,
    plan: Given = None,
    tags: Mapping[str, str] | Callable[..., Mapping[str, str]] | None = None,
    new: bool = False,
    id: str | None = None,
    budget: "Budget | None" = None,
) -> RequestScope: ...
def request(
    name: Any = None,
    *,
    user: Given = None,
    tenant: Given = None,
    feature: Given = None,
    plan: Given = None,
    tags: Mapping[str, str] | Callable[..., Mapping[str, str]] | None = None,
    new: bool = False,
    id: str | None = None,  # noqa: A002  # the field's own name
    budget: "Budget | None" = None,
) -> Any:
    """What the end user asked once: the unit that is billed and reported.

    Owner fields are values, or callables over the decorated function's arguments. Inside another
    request it joins that one and fills its blank owner fields; ``new=True`` starts one that is
    billed by itself. ``id`` takes an id of your own in place of a minted one. ``budget`` bounds
    what may be spent in it; a call that it has no room for raises ``BudgetExceeded``.
    """
    if _is_function(name):
        return RequestScope()(name)
    owner = {"user": user, "tenant": tenant, "feature": feature, "plan": plan, "tags": tags}
    return _held(RequestScope(name, owner=owner, new=new, request_id=id), budget)


@overload
def agent(function: F, /) -> F: ...
@overload
def agent(
    name: str | None = None, *, budget: "Budget | None" = None, **attributes: str
) -> AgentScope: ...
def agent(name: Any = None, *, budget: "Budget | None" = None, **attributes: str) -> Any:
    """An agent at work; attributes are kept on its record as text."""
    return _made(AgentScope, name, attributes, budget)


@overload
def step(function: F, /) -> F: ...
@overload
def step(
    name: str | None = None, *, budget: "Budget | None" = None, **attributes: str
) -> StepScope: ...
def step(name: Any = None, *, budget: "Budget | None" = None, **attributes: str) -> Any:
    """A step of an agent's work: a plan, a retrieval, a refinement."""
    return _made(StepScope, name, attributes, budget)


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    name: str | None = None, *, budget: "Budget | None" = None, **attributes: str
) -> ToolScope: ...
def tool(name: Any = None, *, budget: "Budget | None" = None, **attributes: str) -> Any:
    """A tool that an agent runs."""
    return _made(ToolScope, name, attributes, budget)


@overload
def branch(function: F, /) -> F: ...
@overload
def branch(
    name: str | None = None, *, budget: "Budget | None" = None, **attributes: str
) -> BranchScope: ...
def branch(name: Any = None, *, budget: "Budget | None" = None, **attributes: str) -> Any:
    """A branch that may be thrown away: ``branch.discard()`` makes its cost waste."""
    return _made(BranchScope, name, attributes, budget)


@overload
def call(function: F, /) -> F: ...
@overload
def call(
    name: str | None = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str = "chat",
    input_tokens: int | None = None,
    max_tokens: int | None = None,
    budget: "Budget | None" = None,
) -> CallScope: ...
def call(
    name: Any = None,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str = "chat",
    input_tokens: int | None = None,
    max_tokens: int | None = None,
    budget: "Budget | None" = None,
) -> Any:
    """One leaf that consumes, for clients without an integration; ``record`` what it used.

    Of a decorated function the provider's response, or a ``Usage``, that it returns is recorded.

    ``provider`` and ``model`` as the provider names them; ``operation`` is the conventions'
    ``gen_ai.operation.name``: ``chat``, ``embeddings`` … ``input_tokens`` and ``max_tokens`` are
    what it takes in and gives out at most: so much is reserved of the budgets above it.
    """
    if _is_function(name):
        return _announced(CallScope(operation=operation), None, None)(name)
    scope = CallScope(name, provider=provider, model=model, operation=operation)
    return _held(_announced(scope, input_tokens, max_tokens), budget)


def _announced(scope: CallScope, given: int | None, made: int | None) -> CallScope:
    for field, value in (("input_tokens", given), ("max_tokens", made)):
        if value is not None and (type(value) is not int or value < 0):
            raise UsageError(f"{field}: expected a count of tokens, got {value!r}")
    scope.announced = (given, made)
    return scope


def _is_function(given: Any) -> bool:
    """Whether a scope is used as a bare decorator; a ``classmethod`` cannot be called itself."""
    return callable(given) or isinstance(given, classmethod)


def _made(
    kind: type[Scope], name: Any, attributes: Mapping[str, str], budget: "Budget | None"
) -> Any:
    if _is_function(name):
        return kind()(name)
    made = kind(name, {key: str(value) for key, value in attributes.items()})
    return _held(made, budget)


def _held(scope: Any, budget: "Budget | None") -> Any:
    if budget is None:
        return scope
    from agentmeter.runtime.budget.value import Budget, BudgetRule

    if not isinstance(budget, Budget) or isinstance(budget, BudgetRule):
        raise ConfigurationError(
            f"budget: expected agentmeter.Budget(usd='0.50'), got {budget!r}; "
            "rules for users and periods are given to agentmeter.configure(budgets=[…])"
        )
    if STATE.gate is not None:
        STATE.gate.store.check(budget)
    scope.budget = budget
    return scope
