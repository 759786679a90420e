"""Configured at first use, by an application that did not do it itself."""

from collections.abc import Mapping
from typing import Any

from agentmeter.api.configuring import configure
from agentmeter.exceptions import ConfigurationError
from agentmeter.runtime.faults import FAULTS

_NEUTRAL: Mapping[str, Any] = {
    "directory": ".agentmeter",
    "rate_card": "",
    "plans": "",
    "public_names": {},
    "budgets": (),
    "budget_store": "",
    "providers": {},
    "journal": True,
    "spans": True,
    "stamp_owner": True,
    "provenance": True,
    "flush_on_close": False,
    "carrier_key": "",
    "carry_to": (),
    "otlp": "",
    "otlp_headers": "",
    "otlp_token": "",
    "metrics": False,
}
"""What each setting is where the one that was made cannot be used."""


def configure_default(**given: Any) -> None:
    """Configure from the environment at first use. A setting that cannot be used is counted with
    what is wrong with it and left out; the journal and every other setting stay.
    """
    instead = dict(given)
    while len(instead) < len(_NEUTRAL):
        try:
            configure(**instead)
        except ConfigurationError as error:
            FAULTS.count(f"configuration: {error}")
            instead.update(_mended(instead, str(error)))
        else:
            return
    configure(**instead)


def _mended(instead: Mapping[str, Any], problem: str) -> Mapping[str, Any]:
    """The setting without which ``problem`` is gone, at its neutral value."""
    for name, value in _NEUTRAL.items():
        if name not in instead:
            try:
                configure(**instead, **{name: value})
            except ConfigurationError as error:
                if str(error) == problem:
                    continue
            return {name: value}
    return _NEUTRAL
