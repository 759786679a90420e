"""Where langchain is hooked into: its register of handlers, and what carries its context over.

The handler tells of every run. Two more things are replaced, since a callback may run in another
task than its run: the function that enters a run's own copy of the context, so that what runs there
finds its scope; and the ends of the callbacks that tell of a model, so that its client's calls are
known for the model's.
"""

from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from langchain_core.callbacks.manager import AsyncCallbackManager, CallbackManager
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import config as core_config
from langchain_core.tracers import context as tracers

from agentmeter.integration import (
    Patches,
    StepScope,
    attach,
    current_scope,
    guarded,
    innermost,
    inside,
)
from agentmeter_langchain.handler import Handler

PATCHES = Patches()
HANDLER = Handler()
_REGISTERED: ContextVar[Any] = ContextVar("agentmeter_langchain", default=HANDLER)
_STARTS = ("on_chat_model_start", "on_llm_start")


def apply() -> None:
    """Register and patch; does nothing if that was done already."""
    if PATCHES.on:
        return
    try:
        for module in _contexts():
            PATCHES.replace(module, "_set_config_context", _set_config_context)
        for start in _STARTS:
            PATCHES.replace(CallbackManager, start, _asks)
            PATCHES.replace(AsyncCallbackManager, start, _asks_async)
        PATCHES.replace(BaseRetriever, "invoke", inside(PATCHES, _retrieval))
        PATCHES.replace(BaseRetriever, "ainvoke", inside(PATCHES, _retrieval))
        tracers.register_configure_hook(_REGISTERED, inheritable=True)
    except BaseException:
        undo()  # half a patch would meter half
        raise


def undo() -> None:
    """Put everything back."""
    PATCHES.undo()
    hooks = tracers._configure_hooks
    hooks[:] = [hook for hook in hooks if hook[0] is not _REGISTERED]


def _contexts() -> list[Any]:
    """The modules with a function of their own that enters the context of a run."""
    found = [core_config]
    if find_spec("langgraph") is not None:
        found.append(import_module("langgraph._internal._runnable"))
    return [module for module in found if "_set_config_context" in vars(module)]


def _set_config_context(original: Any) -> Any:
    """It runs in a copy of the context that is the run's own, so nothing has to be detached."""

    def set_config_context(config: Any, *rest: Any, **more: Any) -> Any:
        with guarded("langchain context"):
            run_id = getattr(config.get("callbacks"), "parent_run_id", None)
            scope = HANDLER.runs.at(run_id) if PATCHES.on and run_id is not None else None
            current = current_scope()
            inner = innermost(scope, current)
            if inner is not None and inner is not current:
                attach(inner)
        return original(config, *rest, **more)

    return set_config_context


def _asks(original: Any) -> Any:
    def on_model_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        managers = original(self, *args, **kwargs)
        HANDLER.asks([manager.run_id for manager in managers])
        return managers

    return on_model_start


def _asks_async(original: Any) -> Any:
    async def on_model_start(self: Any, *args: Any, **kwargs: Any) -> Any:
        managers = await original(self, *args, **kwargs)
        HANDLER.asks([manager.run_id for manager in managers])
        return managers

    return on_model_start


def _retrieval(retriever: Any, args: Any, kwargs: Any) -> StepScope:
    return StepScope(retriever.get_name())
