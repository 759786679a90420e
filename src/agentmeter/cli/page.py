"""Writing a report as a page."""

import time
from pathlib import Path
from typing import Any

import click

from agentmeter.cli.book import book_from
from agentmeter.exceptions import AgentmeterError
from agentmeter.render.html import page
from agentmeter.report.page.value import page_value
from agentmeter.report.report import Report
from agentmeter.serve.margin import margin_values


def write_page(report: Report, file: Path, plans: Path | None) -> None:
    """Write the page whole or not at all: a reader may have the old one open."""
    margin = _margin(report, plans) if plans else None
    text = page(page_value(report, time.time_ns(), margin=margin))
    try:
        part = file.with_name(f"{file.name}.part")
        part.write_text(text, "utf-8")
        part.replace(file)
    except OSError as error:
        raise click.ClickException(
            f"{file}: {error.strerror}; name a file that can be written"
        ) from error
    click.echo(f"The page is in {file}", err=True)


def _margin(report: Report, plans: Path) -> dict[str, Any]:
    try:
        return margin_values(report, book_from(plans))
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error
