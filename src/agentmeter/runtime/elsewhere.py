"""Handing work over to another process: the request that it is for, and how to meter it there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agentmeter.runtime.carrier import inject, resume
from agentmeter.runtime.context import without_scope
from agentmeter.runtime.state import STATE

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Handover:
    """What goes along with a piece of work: a carrier, the settings in force, and what is metered.

    A process that was spawned knows nothing of its parent; one that was forked knows too much,
    since the request that was open at the fork need not be the one that the work is for.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    integrations: tuple[str, ...] = ()


def handover() -> Handover:
    """What has to go along with work that is handed over here."""
    return Handover(dict(inject({})), dict(STATE.settings), STATE.integrations)


def taken_over(given: Handover, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Run ``function`` for the request that it was handed over for, and for no other."""
    _meter_alike(given)
    if not given.headers:
        with without_scope():
            return function(*args, **kwargs)
    with without_scope(), resume(given.headers):
        return function(*args, **kwargs)


def _meter_alike(given: Handover) -> None:
    """In a process that has not been set up: with the settings and integrations of the parent."""
    if not STATE.configured and given.settings and STATE.set_up is not None:
        STATE.set_up(given.settings, given.integrations)


__all__ = ["Handover", "handover", "taken_over"]
