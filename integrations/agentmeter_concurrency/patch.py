"""The patched methods: each takes the scope along that is open where the work is handed over."""

import multiprocessing.process
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from agentmeter.integration import (
    Patches,
    Scope,
    attached,
    current_scope,
    handover,
    taken_over,
)

Method = Callable[..., Any]


PATCHES = Patches()


def apply() -> None:
    """Patch; does nothing if already patched."""
    if not PATCHES.on:
        for thread in _with_start(threading.Thread):
            PATCHES.replace(thread, "start", _thread_start)
        PATCHES.replace(ThreadPoolExecutor, "submit", _thread_submit)
        PATCHES.replace(ProcessPoolExecutor, "submit", _process_submit)
        PATCHES.replace(multiprocessing.process.BaseProcess, "start", _process_start)


def _with_start(thread: type) -> list[type]:
    """``thread`` and those of its subclasses that have a ``start`` of their own, past which ours
    might never be called: an instrumentation that came and went leaves one on ``Timer``.
    """
    every = [thread]
    for one in every:
        every.extend(one.__subclasses__())
    return [one for one in every if "start" in vars(one)]


def _thread_start(original: Method) -> Method:
    def start(self: threading.Thread) -> None:
        scope = current_scope()
        within = isinstance(self.run, _Within)
        if PATCHES.on and scope is not None and not within and not _serves_all(self):
            self.run = _Within(scope, self.run)  # type: ignore[method-assign]
        original(self)

    return start


def _serves_all(thread: threading.Thread) -> bool:
    """Whether a thread works for whoever comes, and not for the request that first needed it.

    Such are the workers of pools, which get their work with its context, and our own threads.
    """
    target = getattr(thread, "_target", None)
    module = getattr(target, "__module__", None) or type(thread).__module__
    return module.startswith(_SHARED)


_SHARED = ("concurrent.futures", "asyncio", "anyio", "agentmeter", "opentelemetry.sdk")


class _Within:
    """A callable that runs with a scope open, and lets go of it afterwards."""

    def __init__(self, scope: Scope, function: Method) -> None:
        self._scope: Scope | None = scope
        self._function: Method | None = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        scope, function = self._scope, self._function
        self._scope = self._function = None  # a finished thread may be kept for long
        assert function is not None
        if scope is None:
            return function(*args, **kwargs)
        with attached(scope):
            return function(*args, **kwargs)


def _thread_submit(original: Method) -> Method:
    def submit(self: ThreadPoolExecutor, fn: Method, /, *args: Any, **kwargs: Any) -> Any:
        scope = current_scope()
        if not PATCHES.on or scope is None:
            return original(self, fn, *args, **kwargs)
        return original(self, _Within(scope, fn), *args, **kwargs)

    return submit


def _process_submit(original: Method) -> Method:
    def submit(self: ProcessPoolExecutor, fn: Method, /, *args: Any, **kwargs: Any) -> Any:
        if not PATCHES.on or fn is taken_over:
            return original(self, fn, *args, **kwargs)
        return original(self, taken_over, handover(), fn, *args, **kwargs)

    return submit


def _process_start(original: Method) -> Method:
    def start(self: Any) -> None:
        if PATCHES.on and current_scope() is not None and _has_target(self):
            self._args = (handover(), self._target, *self._args)
            self._target = taken_over
        original(self)

    return start


def _has_target(process: Any) -> bool:
    """A pool's worker takes its work from a queue, with the request in each piece."""
    target = getattr(process, "_target", None)
    return target is not None and not target.__module__.startswith(_SHARED)
