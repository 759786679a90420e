"""Found first on the path of a program that ``agentmeter run`` has started, and of its children."""

import contextlib
import importlib
import os
import sys


def _begin() -> None:
    """Run the ``sitecustomize`` that would have been found without this one, then meter.

    A child may run in an environment that has no agentmeter; it runs as it would have.
    """
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != own]
    ours = sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")  # another's, if there is one
    if ours is not None:
        sys.modules.setdefault("sitecustomize", ours)
    with contextlib.suppress(ImportError):
        from agentmeter.zero_code import begin

        begin()


_begin()
