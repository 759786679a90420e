"""What is set here: each setting in force, and what was set and cannot be used."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agentmeter.api.in_force import Choice, LeftOut, in_force
from agentmeter.integration import available
from agentmeter.runtime.faults import FAULTS, logger
from agentmeter.runtime.naming import (
    PER_VARIABLE,
    integrations_named,
    unknown_integrations,
    unknown_per,
)
from agentmeter.runtime.settings import SETTINGS, ZERO_CODE, Found, Settings, project_settings

_CONFIGURATION = "configuration: "


@dataclass(frozen=True, slots=True)
class Settled:
    """What is set. ``problems`` are sentences on what cannot be used, for whatever reason."""

    settings: Mapping[str, Found]
    """Every setting in force, and where it has come from."""
    left_out: tuple[LeftOut, ...] = ()
    problems: tuple[str, ...] = ()
    unwritable: str | None = None
    """Why no journal could be written, where one is to be."""
    integrations: tuple[str, ...] = ()
    """The integrations that a variable names; all where it names none."""

    @property
    def faults(self) -> dict[str, int]:
        """The problems as the faults that a process counts for them."""
        return {f"{_CONFIGURATION}{problem}": 1 for problem in self.problems}


def settled() -> Settled:
    """Look at the environment and the project's file as ``configure`` does, and change nothing."""
    before, logger.disabled = logger.disabled, True  # what is wrong is about to be shown
    try:
        choice = Choice(Settings({}, os.environ, project_settings()))
        made = in_force(choice)
    finally:
        logger.disabled = before
    unknown, per = _unknown_integrations(), unknown_per(os.environ)
    zero_code = [*unknown, *([per] if per else [])]
    left_out = [*choice.left_out, *([_left_out(per)] if per else [])]
    told = [*map(str, choice.left_out), *choice.settings.strangers(), *zero_code, *_counted()]
    return Settled(
        {**_shown(choice.found), **_zero_code(none=PER_VARIABLE if per else None)},
        tuple(left_out),
        tuple(dict.fromkeys(told)),
        unwritable(made.directory) if made.journal else None,
        integrations_named(os.environ),
    )


def _left_out(problem: str) -> LeftOut:
    return LeftOut(PER_VARIABLE, PER_VARIABLE, problem.removeprefix(f"{PER_VARIABLE}: "))


def _unknown_integrations() -> list[str]:
    return unknown_integrations(integrations_named(os.environ), available())


def _counted() -> list[str]:
    """What this process has counted of its configuration."""
    ours = (place for place in FAULTS.counts() if place.startswith(_CONFIGURATION))
    return [place.removeprefix(_CONFIGURATION) for place in ours]


def _shown(found: Mapping[str, Found]) -> dict[str, Found]:
    """In the order of the table, without secrets."""
    secret = {one.name for one in SETTINGS if one.is_secret}
    return {
        one.name: Found("(set)", found[one.name].source)
        if one.name in secret and found[one.name].value
        else found[one.name]
        for one in SETTINGS
    }


def _zero_code(none: str | None) -> dict[str, Found]:
    """What only programs as they stand read; ``none`` is a variable that cannot be used."""
    found = {}
    for variable, default in ZERO_CODE.items():
        given = os.environ.get(variable) if variable != none else None
        found[variable] = Found(given, variable) if given else Found(default, "default")
    return found


def unwritable(folder: Path) -> str | None:
    """Why nothing can be written to a folder, which may not be there yet; leaves nothing there."""
    at = folder.absolute()
    there = next(one for one in (at, *at.parents) if os.path.lexists(one))
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        return f"no journal can be written to {folder}: {there}: {error.strerror}"
