"""The options of a report that adjust it: allocations, currency, rounding and tax."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from agentmeter.exceptions import ConfigurationError, MoneyError
from agentmeter.model.money import exact
from agentmeter.pricing.allocation.reading import rules_from_file
from agentmeter.pricing.currency import CurrencyRates, rates_from_file
from agentmeter.report.allocated import allocated
from agentmeter.report.edge import ROUNDINGS, converted, stated
from agentmeter.report.report import Report

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Edge:
    """What was asked for."""

    allocations: Path | None = None
    currency: str | None = None
    rates: Path | None = None
    places: int | None = None
    rounding: str | None = None
    tax: str | None = None

    @property
    def states(self) -> bool:
        """Whether amounts are to be rounded or taxed."""
        return any(given is not None for given in (self.places, self.rounding, self.tax))

    def applied(self, report: Report) -> Report:
        """The report so adjusted; what cannot be read or done is told, and nothing is shown."""
        try:
            return self._applied(report)
        except (ConfigurationError, MoneyError) as error:
            raise click.ClickException(str(error)) from error

    def _applied(self, report: Report) -> Report:
        if self.allocations is not None:
            report = allocated(report, rules_from_file(self.allocations))
        if self.currency is not None:
            table = rates_from_file(self.rates) if self.rates else CurrencyRates(name="no --rates")
            report = converted(report, table, self.currency.upper())
        if self.states:
            tax = None if self.tax is None else exact(self.tax, "tax")
            rounding = self.rounding or "half-even"
            report = stated(report, places=self.places, rounding=rounding, tax=tax)
        return report


_OPTIONS = (
    click.option("--allocations", type=_PATH, help="TOML rules: share out what periods cost."),
    click.option("--currency", help="Every amount in this currency, at the rates of --rates."),
    click.option("--rates", type=_PATH, help="TOML table of dated currency rates."),
    click.option(
        "--round", "places", type=int, help="Decimal places of what is stated; the currency's own."
    ),
    click.option(
        "--rounding", type=click.Choice(tuple(ROUNDINGS)), help="How the whole is rounded."
    ),
    click.option("--tax", help="Tax on what is stated, in percent: 19."),
)


def edge_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it takes them together, as ``edge``."""

    @functools.wraps(command)
    def with_edge(**given: Any) -> Any:
        edge = Edge(**{name: given.pop(name) for name in Edge.__dataclass_fields__})
        return command(**given, edge=edge)

    wrapped: Callable[..., Any] = with_edge
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
