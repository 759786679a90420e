"""The libraries on this machine: who meters each, whether its version fits, what may be lost."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from typing import Any

from agentmeter.doctor.known import KNOWN, Known
from agentmeter.integration import available, is_installed
from agentmeter.runtime.state import STATE

_OWN = ("threading", "agentmeter_http")
"""What integrations meter that is always here: the standard library, and whichever clients are."""


@dataclass(frozen=True, slots=True)
class Library:
    """One library. ``risk`` says how its tokens could be lost, ``note`` what is good to know."""

    library: str
    versions: Mapping[str, str]
    """Installed distributions and their versions."""
    integration: str | None = None
    supported: Mapping[str, str] | None = None
    """Distribution → the versions that are tested, the oldest and the newest."""
    is_on: bool = False
    """Whether the integration is switched on in this process."""
    is_left_out: bool = False
    """Whether the environment names other integrations alone."""
    also: tuple[str, ...] = ()
    """Who else meters it."""
    risk: str | None = None
    note: str | None = None

    @property
    def is_metered(self) -> bool:
        """Whether it is metered once integrations are switched on."""
        return self.integration is not None and self.risk is None and not self.is_left_out

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "library": self.library,
            "versions": dict(self.versions),
            "metered": self.is_metered,
            "integration": self.integration,
            "supported": dict(self.supported or {}),
            "on": self.is_on,
            "also_metered_by": list(self.also),
            "could_lose_tokens": self.risk,
            "note": self.note,
        }


def libraries() -> list[Library]:
    """Every installed library that spends tokens, those with an integration first."""
    metered, taken = [], set[str]()
    for name, point in sorted(available().items()):
        try:
            integration = point.load()()
        except Exception as error:
            problem = f"the integration {name} cannot be loaded: {type(error).__name__}: {error}"
            metered.append(Library(name, {}, name, risk=problem))
            continue
        if integration.library in _OWN:
            continue
        taken.add(integration.library)
        if is_installed(integration.library):
            metered.append(_with_integration(name, integration))
    return [*metered, *_without(taken)]


def _with_integration(name: str, integration: Any) -> Library:
    supported: Mapping[str, str] = getattr(integration, "supported", {})
    versions = _versions(supported)
    risk, note = fitting(versions, supported)
    return Library(
        integration.library,
        versions,
        name,
        supported,
        is_on=name in STATE.integrations,
        risk=risk,
        note=note,
    )


def _versions(names: Iterable[str]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def fitting(
    versions: Mapping[str, str], supported: Mapping[str, str]
) -> tuple[str | None, str | None]:
    """What could be lost with these versions, and what is to be noted of them.

    Older than the oldest tested, or of a later series than the newest: it may be built otherwise.
    Newer in the same series is noted alone.
    """
    risks, notes = [], []
    for name, here in versions.items():
        oldest, newest = bounds(supported[name])
        if oldest is not None and _number(here) < _number(oldest):
            risks.append(f"{name} {here} is older than {oldest}, the oldest that is supported")
        elif newest is not None and _series(here) > _series(newest):
            risks.append(f"{name} {here} is of a later series than {newest}, the newest tested")
        elif newest is not None and _number(here) > _number(newest):
            notes.append(f"{name} {here} is newer than {newest}, the newest tested")
    return "; ".join(risks) or None, "; ".join(notes) or None


def bounds(specifier: str) -> tuple[str | None, str | None]:
    """The oldest and the newest version of ``>=1.0,<=1.7.2``."""
    parts = {part.strip()[:2]: part.strip()[2:].strip() for part in specifier.split(",")}
    return parts.get(">="), parts.get("<=")


def _number(text: str) -> Any:
    from packaging.version import Version

    return Version(text)


def _series(text: str) -> tuple[int, ...]:
    """The part of a version whose change breaks things: ``3`` of 3.54.0, ``0.7`` of 0.7.5."""
    release: tuple[int, ...] = _number(text).release
    return release[:1] if release[0] else release[:2]


def _without(taken: set[str]) -> list[Library]:
    needed = _needed_by()
    here = [one for one in KNOWN if one.library not in taken and is_installed(one.library)]
    return [_unmetered(one, needed.get(_plain(one.distribution), ())) for one in here]


def _unmetered(one: Known, needed: Iterable[str]) -> Library:
    """What another distribution requires is as a rule there for that one's sake."""
    versions = _versions([one.distribution])
    for_others = sorted(needed)
    if for_others:
        said = f"no integration, and here since {', '.join(for_others)} needs it; if you call it "
        return Library(one.library, versions, note=f"{said}yourself, {one.advice}")
    return Library(one.library, versions, risk=f"no integration: {one.advice}")


def _needed_by() -> dict[str, set[str]]:
    """Distribution → those that require it, whatever their extras may require beside."""
    needed: dict[str, set[str]] = {}
    for one in distributions():
        for requirement in one.requires or ():
            name = re.match(r"[\w.-]+", requirement)
            if name is not None and "extra ==" not in requirement:
                needed.setdefault(_plain(name[0]), set()).add(one.metadata["Name"])
    return needed


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()
