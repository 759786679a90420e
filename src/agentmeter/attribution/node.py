"""The view's values: scopes as a tree, each with what it holds."""

from collections.abc import Iterator
from dataclasses import dataclass

from agentmeter.model import OURS, Kind, Owner, Record, Status, Usage


@dataclass(frozen=True, slots=True)
class Node:
    """One scope of a request with what it holds.

    ``whole`` is the scope's own usage: nothing for a scope that contains calls, since what it
    reports beyond them hangs below it as a *residual* leaf. ``usage`` is the part of it that is
    this request's, all of it unless the work was shared. ``waste`` says why the usage bought
    nothing; ``iteration`` counts the turns of the agent, branch, tool or request that the scope
    belongs to, from 1. ``seen_by`` names the observers whose records were merged into this one.
    """

    record: Record
    children: tuple["Node", ...]
    usage: Usage
    whole: Usage
    waste: str | None = None
    iteration: int = 1
    seen_by: tuple[str, ...] = (OURS,)
    contains_calls: bool = False
    merged_ids: tuple[str, ...] = ()
    """The scope ids of the other observers' records that were merged into this one."""

    @property
    def is_call(self) -> bool:
        """Whether this is a leaf that consumes."""
        consumes = self.record.kind is Kind.CALL and self.record.call is not None
        return consumes and not self.contains_calls

    @property
    def only_observed(self) -> bool:
        """Known from other instrumentations alone, and so only as complete as their sampling."""
        return self.is_call and not any(name.startswith(OURS) for name in self.seen_by)


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request: its tree, its owner, and what was missing.

    ``missing`` names the scopes that are known to have been opened and left no record, by where
    they stood; ``missing_parents`` counts the scopes that hang below the root for want of theirs.
    ``contested`` names the owner fields that records state differently, which is what an id that
    was given to two requests looks like; ``owner`` has what the first of them said. ``running``
    is whether this very process has the request open.
    """

    request_id: str
    root: Node
    owner: Owner
    missing_parents: int = 0
    missing: tuple[str, ...] = ()
    contested: tuple[str, ...] = ()
    running: bool = False

    @property
    def may_lack_calls(self) -> bool:
        """Whether there may be more calls than are known: scopes are missing, or it never closed.

        What has no end on record was killed, or is still at it. Its journal and its spans do not
        tell which, and in either case more may be used than they say: read from outside, every
        figure of it is a lower bound. Only the process that has it open knows that it runs, and
        says what it came to so far, which is no lower bound for that alone.
        """
        return bool(self.missing) or not (self.running or self._has_closed)

    @property
    def _has_closed(self) -> bool:
        """Whether its own root has a record; the top of what was resumed is none."""
        root = self.root.record
        return root.kind is Kind.REQUEST and root.status is not Status.NEVER_CLOSED


def nodes(root: Node) -> Iterator[Node]:
    """Every node of a tree, parents first."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))
