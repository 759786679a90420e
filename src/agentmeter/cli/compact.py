"""``agentmeter compact``: closed journals into Parquet."""

from pathlib import Path

import click

from agentmeter.cli.progress import progress
from agentmeter.cli.report import where
from agentmeter.exceptions import AgentmeterError
from agentmeter.pricing import Cached, Catalog


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def compact(folder: Path | None) -> None:
    """Turn the closed journals of FOLDER into Parquet, clustered by request.

    A journal that a live process still writes to is left as it is. A journal is removed only after
    the Parquet has been read back and found the same; reports read both as one.
    """
    from agentmeter.store.compact import compact as compacted

    with progress() as tell:
        try:
            done = compacted(where(folder), Cached(Catalog()), tell)
        except AgentmeterError as error:
            raise click.ClickException(str(error)) from error
    for problem in done.problems:
        click.echo(problem, err=True)
    if not done.journals:
        click.echo("nothing to compact")
    else:
        click.echo(
            f"{len(done.journals):,} journals with {done.entries:,} entries compacted: "
            f"{done.bytes_before:,} bytes are {done.bytes_after:,} now"
        )
    if done.left_open:
        click.echo(f"{len(done.left_open):,} journals are still open and were left")
