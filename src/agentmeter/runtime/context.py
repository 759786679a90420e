"""The carrier: a key in the OpenTelemetry context that holds the open scope.

A private ``ContextVar`` would be lost where OpenTelemetry's own threading instrumentation carries
the context over; this key travels with it.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from opentelemetry import context as otel_context
from opentelemetry.trace import set_span_in_context

from agentmeter.runtime.state import STATE

if TYPE_CHECKING:
    from agentmeter.runtime.call import CallScope
    from agentmeter.runtime.scope import Scope

P = ParamSpec("P")
T = TypeVar("T")

_KEY = otel_context.create_key("agentmeter.scope")


class Asking(Protocol):
    """Whoever has clients make calls, and wants to know of them."""

    def made(self, call: "CallScope") -> None:
        """A call has begun."""


ASKING: ContextVar[Asking | None] = ContextVar("agentmeter_asking", default=None)
"""The framework's model call that the calls of clients in this context are made for, as a rule."""


def innermost(one: "Scope | None", current: "Scope | None") -> "Scope | None":
    """Of a scope and the current one that which lies in the other; ``one`` if neither does."""
    at = current
    while at is not None and at is not one:
        at = at.around
    return current if one is None or at is not None else one


def current_scope(context: otel_context.Context | None = None) -> "Scope | None":
    """The innermost open scope of this context, else the process's own request, or ``None``."""
    found: Any = otel_context.get_value(_KEY, context)
    return found if found is not None else STATE.process


class attached:  # noqa: N801  # it is read as a statement: ``with attached(scope):``
    """``scope`` is the current one inside. Never held across a ``yield`` of a generator."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: "Scope") -> None:
        self._scope = scope

    def __enter__(self) -> None:
        self._token = attach(self._scope)

    def __exit__(self, *_: object) -> None:
        otel_context.detach(self._token)


def attach(scope: "Scope") -> Any:
    """Make ``scope`` the current one; returns the token that ``detach`` takes."""
    context = otel_context.set_value(_KEY, scope)
    if scope.span is not None:
        context = set_span_in_context(scope.span, context)
    return otel_context.attach(context)


def detach(token: Any) -> None:
    """Undo an ``attach``, in the same thread or task."""
    otel_context.detach(token)


@contextmanager
def without_scope() -> Iterator[None]:
    """No scope is the current one inside, whatever a forked process has inherited."""
    token = otel_context.attach(otel_context.set_value(_KEY, None))
    try:
        yield
    finally:
        otel_context.detach(token)


def carried(function: Callable[P, T]) -> Callable[P, T]:
    """``function``, running in a copy of the context that is current now.

    For bare threads and executors: ``Thread(target=am.carried(work))``.
    """
    context = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return context.copy().run(function, *args, **kwargs)

    return run


class ContextExecutor(Executor):
    """An executor whose tasks run for the request of whoever submitted them.

    ``with am.ContextExecutor(ThreadPoolExecutor(8)) as pool: pool.submit(work)``. Threads get the
    submitter's whole context; processes get its request and settings.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit ``fn``; it sees the submitter's request."""
        if _has_processes(self._executor):
            from agentmeter.runtime.elsewhere import handover, taken_over

            return self._executor.submit(taken_over, handover(), fn, *args, **kwargs)
        return self._executor.submit(carried(fn), *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Shut the wrapped executor down."""
        self._executor.shutdown(wait, cancel_futures=cancel_futures)


def _has_processes(executor: Executor) -> bool:
    """Without importing the module of process pools, which is large and may not be in use."""
    module = sys.modules.get("concurrent.futures.process")
    return module is not None and isinstance(executor, module.ProcessPoolExecutor)
