"""``agentmeter top``: the dearest first."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentmeter.cli.choosing import BY, choosing, opened
from agentmeter.cli.report import where
from agentmeter.cli.rolled import show_by
from agentmeter.cli.source import SourceType
from agentmeter.exceptions import AgentmeterError
from agentmeter.store.choice import Choice
from agentmeter.store.rollup import rollup

if TYPE_CHECKING:
    from agentmeter.store.clickhouse.address import Address


@click.command()
@click.argument("source", required=False, type=SourceType())
@click.option("--by", default="request", show_default=True, help=f"What to rank: {BY}.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1))
@choosing
@click.option("--json", "as_json", is_flag=True, help="JSON; amounts are decimal strings.")
def top(
    source: "Path | Address | None",
    by: str,
    limit: int,
    choice: Choice,
    as_json: bool,
) -> None:
    """The requests, models, tools … of the folder or table SOURCE that cost most."""
    with opened(source or where(None), choice) as store:
        try:
            rows = rollup(store, by, choice, limit)
        except AgentmeterError as error:
            raise click.ClickException(str(error)) from error
        show_by(by, rows, as_json=as_json)
