"""The examination: everything that is looked at, as one value."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agentmeter.api.default import configure_default
from agentmeter.api.project import journal_folder
from agentmeter.doctor.libraries import Library, libraries
from agentmeter.doctor.observers import observers
from agentmeter.doctor.seen import Seen, seen_in
from agentmeter.runtime.faults import FAULTS, logger
from agentmeter.runtime.settings import SETTINGS, ZERO_CODE, Found, Settings, project_settings
from agentmeter.runtime.state import STATE


@dataclass(frozen=True, slots=True)
class Examination:
    """What is metered here, what else meters it, what is set, and what went wrong so far."""

    version: str
    libraries: tuple[Library, ...]
    suites: Mapping[str, str]
    """Installed products that may meter several libraries, and their versions."""
    settings: Mapping[str, Found]
    """Every setting in force, and where it has come from."""
    seen: Seen
    here: Mapping[str, int]
    """Faults of this process, wrong settings among them."""

    @property
    def could_lose(self) -> tuple[Library, ...]:
        """The libraries whose tokens could be lost."""
        return tuple(one for one in self.libraries if one.risk is not None)

    @property
    def faults(self) -> dict[str, int]:
        """What went wrong or was dropped, by place: recorded, and in this process."""
        return {**self.here, **self.seen.faults}

    def without(self, accepted: Collection[str]) -> "Examination":
        """The same where risks of some libraries are accepted: they become notes."""
        kept = tuple(_accepted(one) if one.library in accepted else one for one in self.libraries)
        return replace(self, libraries=kept)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; secrets are left out."""
        return {
            "version": self.version,
            "could_lose_tokens": [one.library for one in self.could_lose],
            "libraries": [one.to_json() for one in self.libraries],
            "also_installed": dict(self.suites),
            "models": [one.to_json() for one in self.seen.models],
            "journal": self.seen.to_json(),
            "faults": self.faults,
            "settings": {
                name: {"value": _shown(found.value), "source": found.source}
                for name, found in self.settings.items()
            },
        }


def _accepted(one: Library) -> Library:
    return replace(one, risk=None, note=one.risk or one.note)


def _shown(value: Any) -> Any:
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(name): _shown(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(inner) for inner in value]
    return str(value)


def examine(source: Path | None = None) -> Examination:
    """Look at this machine, this process and the journal.

    ``source`` is a journal folder or a file; the configured folder where it is left out.
    """
    found = observers()
    also = found.by_integration
    known = [replace(one, also=also.get(one.integration or "", ())) for one in libraries()]
    return Examination(
        version("agentmeter-otel"),
        tuple(known),
        found.suites,
        settings_in_force(),
        seen_in(source or journal_folder()),
        _faults_here(),
    )


def settings_in_force() -> dict[str, Found]:
    """Every setting that is in force, and where it has come from."""
    settings = Settings({}, os.environ, project_settings())
    found = {one.name: settings.found(one.name) for one in SETTINGS}
    for one in SETTINGS:
        if one.is_secret and found[one.name].value:
            found[one.name] = Found("(set)", found[one.name].source)
    for variable, default in ZERO_CODE.items():
        given = os.environ.get(variable)
        found[variable] = Found(given, variable) if given else Found(default, "default")
    return found


def _faults_here() -> dict[str, int]:
    """Faults of this process; in one that is not set up, what is wrong with its settings too."""
    if not STATE.configured:
        before, logger.disabled = logger.disabled, True  # they are about to be shown
        try:
            configure_default(journal=False)
        finally:
            logger.disabled = before
    return FAULTS.counts()
