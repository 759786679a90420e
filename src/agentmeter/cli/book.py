"""A file of plans, as commands are given it."""

from pathlib import Path

import click

from agentmeter.api.project import known_models
from agentmeter.exceptions import ConfigurationError
from agentmeter.pricing.plans import PlanBook


def book_from(file: Path) -> PlanBook:
    """The plans of a TOML file; what cannot be read is told."""
    try:
        return PlanBook.from_file(file, known_models())
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
