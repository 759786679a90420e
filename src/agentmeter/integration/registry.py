"""What an integration is, and how it is found."""

import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

import wrapt

from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.state import STATE

GROUP = "agentmeter.integrations"


@runtime_checkable
class Integration(Protocol):
    """Meters one library. Both methods are idempotent; the second undoes the first entirely."""

    name: str
    library: str

    def instrument(self, **options: Any) -> None:
        """Begin to meter."""

    def uninstrument(self, **options: Any) -> None:
        """Put everything back."""


_on: dict[str, Integration] = {}


def is_installed(library: str) -> bool:
    """Whether there is something to import by this name, without importing it."""
    try:
        return find_spec(library) is not None
    except ModuleNotFoundError:  # the package above it is not there
        return False


def available() -> dict[str, Any]:
    """Every known integration's entry point, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def switch_on(only: Iterable[str] = ()) -> dict[str, bool]:
    """Switch on the named integrations, or all whose library is installed, imported yet or not."""
    known = available()
    wanted = tuple(only)
    for name in wanted:
        if name not in known:
            raise ConfigurationError(f"no integration {name!r}; there are {sorted(known)}")
    for name in wanted or known:
        if name not in _on:
            with guarded(f"integration {name}"):
                integration = known[name].load()()
                if is_installed(integration.library):
                    _on[name] = integration
                    _instrument_when_imported(name, integration)
    STATE.integrations = tuple(sorted(_on))
    return {name: name in _on for name in sorted(known)}


def _instrument_when_imported(name: str, integration: Integration) -> None:
    """Now if the library is there, else as soon as the application imports it.

    Importing all that is installed would take seconds, mostly for what is never used.
    """
    if integration.library in sys.modules:
        integration.instrument()
        return

    def imported(_: Any) -> None:
        if _on.get(name) is integration:
            with guarded(f"integration {name}"):
                integration.instrument()

    wrapt.register_post_import_hook(imported, integration.library)


def switch_off(only: Iterable[str] = ()) -> None:
    """Switch off the named integrations, or all that are on."""
    for name in tuple(only) or tuple(_on):
        if name in _on:
            with guarded(f"integration {name}"):
                _on.pop(name).uninstrument()
    STATE.integrations = tuple(sorted(_on))


def hosts_to_carry_to() -> tuple[str, ...]:
    """The hosts that the application has named for carrying requests to."""
    return STATE.carry_to
