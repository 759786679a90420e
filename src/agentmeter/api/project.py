"""What the environment and the project's file say, for who needs one setting alone."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from agentmeter.api.in_force import Choice
from agentmeter.api.wiring import models_of, names_of
from agentmeter.runtime.settings import Settings, project_settings

if TYPE_CHECKING:
    from agentmeter.pricing.known import KnownModels


def journal_folder(given: str | Path | None = None) -> Path:
    """The journal's folder: as given, or by ``AGENTMETER_DIR``, by the project, by default.

    The same that ``configure`` takes, which leaves out what cannot be used.
    """
    choice = Choice(Settings({"directory": given}, os.environ, project_settings()))
    return choice.of("directory", Path)


def project_rate_card(given: str | Path | None = None) -> Path | None:
    """The rate card: as given, or by ``AGENTMETER_RATE_CARD``, by the project."""
    card = Settings({"rate_card": given}, os.environ, project_settings()).value("rate_card")
    return Path(card) if card else None


def known_models(rate_card: str | Path | None = None) -> "KnownModels":
    """The models of the catalog and of the rate card."""
    return models_of(project_rate_card(rate_card))


def project_public_names() -> dict[str, str]:
    """The public names of the environment, or of the project in the working directory."""
    return names_of(Settings({}, os.environ, project_settings()).value("public_names"))
