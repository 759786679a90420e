"""The request of a whole process: what is metered outside of any other belongs to it.

It is no scope of any context, so that it holds in every thread; ``current_scope`` gives it where
there is no other. A request that is opened inside is one of its own. Child processes find it in
their environment and go on with it.
"""

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from agentmeter.model import Status
from agentmeter.runtime.carrier import (
    REQUEST,
    SCOPE,
    SIGNATURE,
    Carrier,
    ResumedScope,
    carrier_in,
    carrier_of,
)
from agentmeter.runtime.quiet import Quiet, QuietRequest
from agentmeter.runtime.scope import Scope
from agentmeter.runtime.state import STATE


class _OfProcess(Quiet):
    """Ends with the process that opened it, and not with one that was forked from it."""

    _pid = 0

    def open(self, parent: Scope | None) -> None:
        """Begin."""
        self._pid = os.getpid()
        super().open(parent)

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """End, in the process that it was opened in."""
        if os.getpid() == self._pid:
            super().close(error, status)


class ProcessRequest(_OfProcess, QuietRequest):
    """The request of a process that began by itself.

    A process that served HTTP requests and metered nothing else is not worth a request.
    """

    @property
    def is_worth_telling(self) -> bool:
        """Whether it held anything, or did nothing else."""
        return super().is_worth_telling or not STATE.serves


class ResumedProcess(_OfProcess, ResumedScope):
    """The part that a child process has in the request of its parent."""


def begin(owner: Mapping[str, Any]) -> None:
    """Open the request of this process, or go on with that of the environment; once."""
    if STATE.process is not None:
        return
    scope = _scope(carrier_in(_given(), trusted=True), owner)
    scope.open(None)
    if scope.ledger is not None:
        scope.ledger.takes_requests = False
        STATE.process = scope
        os.environ.update({_variable(name): value for name, value in carrier_of(scope).items()})
        if STATE.settings.get("journal"):
            os.environ.setdefault("AGENTMETER_DIR", STATE.settings["directory"])


def _scope(carrier: Carrier | None, owner: Mapping[str, Any]) -> Scope:
    if carrier is not None:
        return ResumedProcess(carrier, _program())
    return ProcessRequest(_program(), owner=owner)


def _program() -> str:
    """The script's name, or that of the module after ``-m``."""
    given = sys.orig_argv
    if "-m" in given[1:-1] and sys.argv[:1] in ([], ["-m"]):
        return given[given.index("-m") + 1]
    return os.path.basename(sys.argv[0]) if sys.argv and sys.argv[0] else "python"


def _given() -> dict[str, str]:
    names = (REQUEST, SCOPE, SIGNATURE)
    return {name: os.environ[_variable(name)] for name in names if _variable(name) in os.environ}


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def end() -> None:
    """End it, with the error that ended the process if one did."""
    if STATE.process is not None:
        STATE.process.close(_last_error())


def _last_error() -> BaseException | None:
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


def end_as_interrupted() -> None:
    """End by the signal a process that an interrupt ended, as Python itself does.

    Python forgets that at any code that is executed later, such as what a module that is first
    needed at the end makes of its classes.
    """
    if isinstance(_last_error(), KeyboardInterrupt):
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
