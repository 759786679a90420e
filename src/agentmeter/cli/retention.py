"""``agentmeter prune`` and ``agentmeter erase``: what must not be kept."""

import sys
import time
from pathlib import Path

import click

from agentmeter.cli.moment import Age
from agentmeter.cli.progress import progress
from agentmeter.cli.report import where
from agentmeter.exceptions import AgentmeterError
from agentmeter.pricing import Cached, Catalog


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--older-than", "age", required=True, type=Age(), help="An age, such as 90d.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
def prune(folder: Path | None, age: int, dry_run: bool) -> None:
    """Remove the requests of FOLDER that ended longer ago than an age.

    Journals still open are left as they are, and so are the requests that they tell of.
    """
    from agentmeter.store.retention import prune as pruned

    before = time.time_ns() - age
    with progress() as tell:
        try:
            done = pruned(where(folder), before, Cached(Catalog()), dry_run=dry_run, progress=tell)
        except AgentmeterError as error:
            raise click.ClickException(str(error)) from error
    verb = "would be removed" if dry_run else "removed"
    click.echo(f"{done.requests:,} requests with {done.entries:,} entries {verb}")


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--user", required=True, help="The user's id, as the requests have it.")
@click.option("--drop", is_flag=True, help="Remove the user's requests, and their cost, as well.")
def erase(folder: Path | None, user: str, drop: bool) -> None:
    """Remove what names a user from FOLDER; what the requests cost stays in the totals.

    Ends with status 1 where files still name the user: journals that a process has open.
    """
    from agentmeter.store.retention import erase as erased

    with progress() as tell:
        try:
            done = erased(where(folder), user, Cached(Catalog()), drop=drop, progress=tell)
        except AgentmeterError as error:
            raise click.ClickException(str(error)) from error
    verb = "removed" if drop else "made anonymous"
    click.echo(f"{done.requests:,} requests, {done.entries:,} entries {verb}")
    for file in done.left:
        click.echo(f"{file}: still open, or not agentmeter's; it names the user", err=True)
    if done.left:
        sys.exit(1)
