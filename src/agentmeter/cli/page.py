"""Writing a report as a page."""

import random
import time
from pathlib import Path
from typing import Any

import click

from agentmeter.cli.book import book_from
from agentmeter.exceptions import AgentmeterError
from agentmeter.render.html import page
from agentmeter.report.compare import Question, compare
from agentmeter.report.compare_document import comparison_document
from agentmeter.report.page.value import page_value
from agentmeter.report.report import Report
from agentmeter.report.traffic import converted, traffic_of


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
    book = book_from(plans)
    try:
        outside = report.unattributed
        lost = converted(outside.amounts if outside else {}, book.rate)
        traffic = traffic_of(report, book.currency, book.rate)
        made = compare(traffic, book, random.Random(0), Question(unattributed=lost))
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error
    return comparison_document(made)
