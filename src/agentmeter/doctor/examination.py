"""The examination: everything that is looked at, as one value."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agentmeter.api.project import journal_folder
from agentmeter.doctor.libraries import Library, libraries
from agentmeter.doctor.losses import NOT_METERED, losses
from agentmeter.doctor.observers import observers
from agentmeter.doctor.seen import Model, Seen, seen_in
from agentmeter.doctor.settled import Settled, settled
from agentmeter.report.pricing import UNKNOWN_USAGE
from agentmeter.runtime.faults import FAULTS


@dataclass(frozen=True, slots=True)
class Examination:
    """What is metered here, what else meters it, what is set, and what went wrong so far."""

    version: str
    libraries: tuple[Library, ...]
    suites: Mapping[str, str]
    """Installed products that may meter several libraries, and their versions."""
    settled: Settled
    seen: Seen
    lost: tuple[str, ...]
    """What the journal says of tokens that were lost, and why none could be written."""
    here: Mapping[str, int]
    """Faults of this process, wrong settings among them."""

    @property
    def could_lose(self) -> tuple[Library, ...]:
        """The libraries whose tokens could be lost."""
        return tuple(one for one in self.libraries if one.risk is not None)

    @property
    def is_well(self) -> bool:
        """Whether nothing was found that loses tokens, and all that is set can be used."""
        return not (self.could_lose or self.lost or self.settled.problems)

    @property
    def unpriced(self) -> tuple[Model, ...]:
        """The models that some calls of have no price in full."""
        return tuple(one for one in self.seen.models if one.unpriced.keys() - {UNKNOWN_USAGE})

    @property
    def faults(self) -> dict[str, int]:
        """What went wrong or was dropped, by place: recorded, and in this process."""
        return {**self.here, **self.seen.faults}

    def without(self, accepted: Collection[str]) -> "Examination":
        """The same where risks of some libraries are accepted: they become notes."""
        kept = tuple(_accepted(one) if one.library in accepted else one for one in self.libraries)
        lost = tuple(one for one in self.lost if one.partition(NOT_METERED)[0] not in accepted)
        return replace(self, libraries=kept, lost=lost)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; secrets are left out."""
        return {
            "version": self.version,
            "well": self.is_well,
            "could_lose_tokens": [one.library for one in self.could_lose],
            "lost_tokens": list(self.lost),
            "wrong_settings": list(self.settled.problems),
            "libraries": [one.to_json() for one in self.libraries],
            "also_installed": dict(self.suites),
            "models": [one.to_json() for one in self.seen.models],
            "journal": self.seen.to_json(),
            "faults": self.faults,
            "settings": {
                name: {"value": _shown(found.value), "source": found.source}
                for name, found in self.settled.settings.items()
            },
            "left_out": [
                {"setting": one.setting, "source": one.source, "problem": one.problem}
                for one in self.settled.left_out
            ],
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
    found, given = observers(), settled()
    seen = seen_in(source or journal_folder())
    also = found.by_integration
    known = [
        replace(_named(one, given.integrations), also=also.get(one.integration or "", ()))
        for one in libraries()
    ]
    return Examination(
        version("agentmeter-otel"),
        tuple(known),
        found.suites,
        given,
        seen,
        (*([given.unwritable] if given.unwritable else []), *losses(seen)),
        {**given.faults, **FAULTS.counts()},
    )


def _named(one: Library, integrations: Collection[str]) -> Library:
    """The library, which is left out where others alone are named."""
    if not integrations or one.integration is None or one.integration in integrations:
        return one
    return replace(one, is_left_out=True, risk=None)
