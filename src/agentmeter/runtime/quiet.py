"""Requests that nobody asked for by name: they leave no record unless something happened in them.

Their spans are there all the same, since those of others may hang below. What happens after the
end, in a task that outlived the answer, brings the record back.
"""

from agentmeter.model import Entry, Record, Status
from agentmeter.runtime import spans
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.request import RequestScope
from agentmeter.runtime.scope import Scope, emit


class Quiet(Scope):
    """A scope whose end is recorded only if its request holds something, or was carried on."""

    @property
    def is_worth_telling(self) -> bool:
        """Whether anything was metered in it, or may have been where it was carried to."""
        return self.ledger is None or self.ledger.holds_something or self.ledger.was_carried

    def close(self, error: BaseException | None = None, status: Status | None = None) -> None:
        """End; a second close does nothing."""
        if self._closed or self.is_worth_telling:
            super().close(error, status)
            return
        self._closed = True
        with guarded("scope.close"):
            self._settle(error, status)
            record = self._record(None)
            spans.end(self, record, None)
            if self.ledger is not None:
                self.ledger.ended()
                self._hold_back(record, self.ledger)

    def _hold_back(self, record: Record, ledger: Ledger) -> None:
        """The end is recorded with the first thing that comes after it, if anything does."""
        # An iterator gives its one value once, also to two threads that come late together. It is
        # not unlistened: that would tie the ledger to itself, and each empty request to the
        # collector.
        held = iter((record,))

        def late(ledger: Ledger, _: Entry | None) -> None:
            for one in held:
                emit(one, ledger, None)

        ledger.listen(late)
        if ledger.holds_something:  # it came while this one ended
            late(ledger, None)


class QuietRequest(Quiet, RequestScope):
    """A request for what came in, such as an HTTP request to an application that is not changed.

    Its owner is a default: a request that the application opens inside goes over it.
    """

    def _belong(self, parent: Scope | None) -> None:
        super()._belong(parent)
        if self.parent is None and self.ledger is not None:
            self.ledger.owner_is_default()

    def _settle(self, error: BaseException | None, status: Status | None) -> None:
        super()._settle(error, status)
        if self.ledger is not None:
            self.attributes.update(self.ledger.replaced)

    def _leave_marker(self) -> None:
        """The *opened* marker comes before the first thing that is metered, and not without it."""
        ledger = self.ledger
        if ledger is None:
            return

        def first(_: Ledger, entry: Entry | None) -> None:
            unlisten()
            if entry is not None:
                emit(self.opened(), ledger, None)

        unlisten = ledger.listen(first)


__all__ = ["Quiet", "QuietRequest"]
