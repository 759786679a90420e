"""Runs: the scopes of a framework that tells of its work through callbacks, by its own ids.

A callback may run in another thread or task than the work it tells of, and between the items of a
stream it runs in the reader's context. So a run's scope is opened below an explicit parent, and is
never attached by the callback; what carries the framework's own context over carries the scope.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from agentmeter.model import Status
from agentmeter.runtime.context import attach, current_scope, detach, innermost
from agentmeter.runtime.faults import FAULTS, guarded
from agentmeter.runtime.scope import Scope
from agentmeter.runtime.unfinished import until_exit


@dataclass(frozen=True, slots=True)
class _Run:
    scope: Scope | None
    own: bool
    within: Any = None


class Runs:
    """The open runs of one framework: at most ``most``, of which the oldest is given up first."""

    def __init__(self, most: int = 100_000) -> None:
        self._open: dict[Hashable, _Run] = {}
        self._most = most
        until_exit(self)

    def __len__(self) -> int:
        return len(self._open)

    def at(self, run_id: Hashable) -> Scope | None:
        """The scope of an open run, which for one without a scope of its own is its parent's."""
        run = self._open.get(run_id)
        return run.scope if run is not None else None

    def own(self, run_id: Hashable) -> Scope | None:
        """The scope that an open run has itself."""
        run = self._open.get(run_id)
        return run.scope if run is not None and run.own else None

    def place(self, parent_id: Hashable) -> Scope | None:
        """Where a run with this parent belongs: there, or further in if the context says so."""
        return innermost(self.at(parent_id), current_scope())

    def begin(
        self,
        run_id: Hashable,
        scope: Scope,
        parent_id: Hashable = None,
        *,
        current: bool = False,
    ) -> None:
        """Open ``scope`` for a run.

        With ``current`` it is the current one until the run ends: for callbacks that are run where
        the work is, and never while a reader has the next word.
        """
        with guarded("run"):
            scope.open(self.place(parent_id))
            self._keep(run_id, _Run(scope, own=True, within=attach(scope) if current else None))

    def pass_over(self, run_id: Hashable, parent_id: Hashable = None) -> None:
        """A run that is no scope: what it runs belongs to its parent."""
        with guarded("run"):
            self._keep(run_id, _Run(self.place(parent_id), own=False))

    def end(
        self,
        run_id: Hashable,
        error: BaseException | None = None,
        status: Status | None = None,
    ) -> None:
        """Close a run's scope; a second end does nothing."""
        run = self._open.pop(run_id, None)
        if run is None or not run.own or run.scope is None:
            return
        if run.within is not None and current_scope() is run.scope:
            detach(run.within)
        run.scope.close(error, status)

    def give_up(self) -> None:
        """Close every scope that is still open: the process ends."""
        for run_id in list(self._open):
            self.end(run_id, status=Status.CLOSED)

    def _keep(self, run_id: Hashable, run: _Run) -> None:
        self._open[run_id] = run
        if len(self._open) > self._most:
            FAULTS.count("runs that never ended")
            self.end(next(iter(self._open)), status=Status.CLOSED)
