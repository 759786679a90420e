"""The settings as a table, and where each one in force has come from.

Arguments go over the environment, which goes over ``[tool.agentmeter]``, which goes over the
default. What is set and is no setting is found here as well, with the name that was probably meant.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.faults import FAULTS

TABLE = "[tool.agentmeter]"
DEFAULT = "default"
ARGUMENT = "argument"

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_PREFIX = "AGENTMETER_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name as an argument and in the file, its variable, and its default."""

    name: str
    variable: str | None
    default: Any = None
    kinds: tuple[type, ...] = (object,)
    """What a value may be."""
    is_secret: bool = False


_TEXT = (str,)
_FILE = (str, os.PathLike)
_LISTED = (str, list, tuple, set, frozenset)
_PAIRS = (str, Mapping, list, tuple)
SETTINGS = (
    Setting("directory", "AGENTMETER_DIR", ".agentmeter", _FILE),
    Setting("journal", "AGENTMETER_JOURNAL", True),
    Setting("rate_card", "AGENTMETER_RATE_CARD", None, _FILE),
    Setting("spans", "AGENTMETER_SPANS", True),
    Setting("flush_on_close", "AGENTMETER_FLUSH_ON_CLOSE", False),
    Setting("stamp_owner", "AGENTMETER_STAMP_OWNER", True),
    Setting("provenance", "AGENTMETER_PROVENANCE", True),
    Setting("carrier_key", "AGENTMETER_CARRIER_KEY", None, _TEXT, is_secret=True),
    Setting("carry_to", "AGENTMETER_CARRY_TO", (), _LISTED),
    Setting("plans", "AGENTMETER_PLANS", None, _FILE),
    Setting("public_names", "AGENTMETER_PUBLIC_NAMES", {}, (*_FILE, Mapping)),
    Setting("budget", None, ()),
    Setting("budget_store", "AGENTMETER_BUDGET_STORE", is_secret=True),
    Setting("providers", "AGENTMETER_PROVIDERS", {}, _PAIRS),
    Setting("metrics", "AGENTMETER_METRICS", False),
    Setting("otlp", "AGENTMETER_OTLP", None, _TEXT),
    Setting("otlp_headers", "AGENTMETER_OTLP_HEADERS", None, (str, Mapping), is_secret=True),
    Setting("otlp_token", "AGENTMETER_OTLP_TOKEN", None, _TEXT, is_secret=True),
)
"""What ``configure`` takes; ``budget`` is written ``budgets`` there."""

ZERO_CODE = {
    "AGENTMETER_REQUEST_PER": "auto",
    "AGENTMETER_INTEGRATIONS": "",
    "AGENTMETER_USER": None,
    "AGENTMETER_TENANT": None,
    "AGENTMETER_FEATURE": None,
    "AGENTMETER_PLAN": None,
}
"""What only a program that is metered without a change to its code reads, and the defaults."""

_OTHER_VARIABLES = (
    "AGENTMETER_REQUEST",
    "AGENTMETER_SCOPE",
    "AGENTMETER_SIGNATURE",
    "AGENTMETER_DIGEST_KEY",
    "AGENTMETER_TOKEN",
)
"""A carrier's, in an environment, the key of digests, and the token of ``agentmeter serve``."""


@dataclass(frozen=True, slots=True)
class Found:
    """The value of a setting, and whether the argument, a variable, the file or the default."""

    value: Any
    source: str


def place_of(source: str) -> str:
    """A source as a message names it."""
    return f"pyproject.toml, {TABLE}" if source == TABLE else source


@dataclass(frozen=True, slots=True)
class Settings:
    """What arguments, environment and the project's file say."""

    given: Mapping[str, Any]
    environment: Mapping[str, str]
    file: Mapping[str, Any]

    def found(self, name: str) -> Found:
        """The setting of this name at the first place that has it."""
        return next(self.every(name))

    def every(self, name: str) -> Iterator[Found]:
        """All that is said of a setting, what goes over the others first, and its default last.

        A variable that is empty is not set.
        """
        setting = _BY_NAME[name]
        if self.given.get(name) is not None:
            yield Found(self.given[name], ARGUMENT)
        if setting.variable and self.environment.get(setting.variable):
            yield Found(self.environment[setting.variable], setting.variable)
        if name in self.file:
            yield Found(self.file[name], TABLE)
        yield Found(setting.default, DEFAULT)

    def value(self, name: str) -> Any:
        """The value alone. Raises ``ConfigurationError`` for one of a kind that it cannot be."""
        found = self.found(name)
        checked(name, found.value, place_of(found.source))
        return found.value

    def strangers(self) -> list[str]:
        """What is set and is no setting, each as a sentence with the name that may be meant."""
        variables = {one.variable for one in SETTINGS if one.variable}
        variables.update(ZERO_CODE, _OTHER_VARIABLES)
        ours = (name for name in self.environment if name.startswith(_PREFIX))
        return [
            *_unknown("environment", ours, variables),
            *_unknown(place_of(TABLE), self.file, _BY_NAME),
        ]


def checked(name: str, value: Any, place: str = ARGUMENT) -> None:
    """Raise ``ConfigurationError`` for a value of a kind that the setting cannot be."""
    kinds = _BY_NAME[name].kinds
    if value is not None and not isinstance(value, kinds):
        raise ConfigurationError(
            f"{name} ({place}): a value of the type {type(value).__name__} "
            f"cannot be used; expected {' or '.join(_said(kinds))}"
        )


def switch(name: str, value: object) -> bool:
    """A value that is true or false. Raises ``ConfigurationError`` for anything else."""
    text = str(value).strip().lower()
    if text not in _TRUE + _FALSE:
        raise ConfigurationError(f"{name}: {value!r} is neither true nor false")
    return text in _TRUE


def _said(kinds: Iterable[type]) -> list[str]:
    return list(dict.fromkeys(_KINDS[kind] for kind in kinds if kind in _KINDS))


_KINDS: Mapping[type, str] = {
    str: "text",
    os.PathLike: "a path",
    Mapping: "a table",
    list: "a list",
}
_BY_NAME = {one.name: one for one in SETTINGS}


def _unknown(place: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    strange = sorted(set(names) - set(known))
    return [f"{place}: {name} is no setting{meant(name, known)}" for name in strange]


def meant(name: str, known: Iterable[str]) -> str:
    """The question whether the name that is closest was meant; nothing where none is close."""
    from difflib import get_close_matches

    own = {one.removeprefix(_PREFIX): one for one in sorted(known)}
    close = get_close_matches(name.removeprefix(_PREFIX), own, 1, 0.6)
    return f"; did you mean {own[close[0]]}?" if close else ""


def project_settings() -> Mapping[str, Any]:
    """``[tool.agentmeter]`` of the ``pyproject.toml`` in the working directory."""
    path = Path("pyproject.toml")
    try:
        text = path.read_text("utf-8")
        import tomllib

        settings = tomllib.loads(text).get("tool", {}).get("agentmeter", {})
    except FileNotFoundError:
        return {}
    except (AttributeError, OSError, ValueError) as error:
        FAULTS.once("configuration: pyproject.toml cannot be read", error)
        return {}
    if isinstance(settings, Mapping):
        return settings
    FAULTS.once(f"configuration: pyproject.toml: {TABLE} is no table")
    return {}


def hosts_in(given: str | Iterable[str]) -> tuple[str, ...]:
    """Hosts, as a list or with a comma between them."""
    listed = given.split(",") if isinstance(given, str) else list(given)
    if not all(isinstance(host, str) for host in listed):
        raise ConfigurationError(f"carry_to, providers: expected hosts as text, got {listed!r:.80}")
    return tuple(host.strip().lower() for host in listed if host.strip())


def providers_in(given: Mapping[str, str] | str) -> dict[str, str]:
    """Host → provider; from a variable ``llm.corp.example=openai,other.example=mistral``."""
    pairs = given.items() if isinstance(given, Mapping) else map(_pair, hosts_in(given))
    return {_text(host).lower(): _text(provider) for host, provider in pairs}


def _pair(text: str) -> tuple[str, str]:
    host, _, provider = text.partition("=")
    return host.strip(), provider.strip()


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "/" in value:
        raise ConfigurationError(
            f"providers: expected a host and the provider that serves there, "
            f"such as llm.corp.example = openai, got {value!r}"
        )
    return value
