"""``agentmeter doctor``: which integrations there are, and what went wrong so far."""

from pathlib import Path

import click

from agentmeter.api import journal_folder
from agentmeter.exceptions import SourceError
from agentmeter.integration import available, is_installed
from agentmeter.store.reader import read


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
def doctor(source: Path | None) -> None:
    """Show integrations, whether their library is installed, and unreadable records."""
    for name, point in sorted(available().items()):
        library = point.load()().library
        there = "installed" if is_installed(library) else "not installed"
        click.echo(f"{name}: {library} is {there}")
    folder = source or journal_folder()
    try:
        contents = read(folder)
    except SourceError as error:
        click.echo(f"journal: {error}")
        return
    click.echo(f"journal: {folder}, {len(contents.entries)} entries")
    for place, count in contents.faults().items():
        click.echo(f"  {count} x {place}")
