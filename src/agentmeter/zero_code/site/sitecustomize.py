"""Found first on the path of a program that ``agentmeter run`` has started, and of its children."""

import contextlib
import importlib
import os
import sys


def _begin() -> None:
    """Run the ``sitecustomize`` that would have been found without this one, then meter.

    What fails in that one is told by Python, as it would have been. A child may run in an
    environment that has no agentmeter; it runs as it would have.
    """
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != own]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")  # another's, if there is one
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)
        _meter()


def _meter() -> None:
    with contextlib.suppress(ImportError):
        from agentmeter.zero_code import begin

        begin()


_begin()
