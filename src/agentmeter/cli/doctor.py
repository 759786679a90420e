"""``agentmeter doctor``: what is metered here, what may be lost, and what went wrong so far."""

from pathlib import Path

import click

from agentmeter.cli.output import write_json
from agentmeter.doctor import examine
from agentmeter.doctor.text import text


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="JSON.")
@click.option(
    "--accept",
    multiple=True,
    metavar="LIBRARY",
    help="A library whose tokens may be lost; repeat it for several.",
)
def doctor(source: Path | None, accept: tuple[str, ...], *, as_json: bool) -> None:
    """Examine what is installed, set and recorded.

    The exit code is 1 if tokens were or could be lost, or something that is set cannot be used; a
    model without a price is told, and no reason for it.

    SOURCE is a journal folder (default .agentmeter, or AGENTMETER_DIR), or a file.
    """
    found = examine(source).without(accept)
    if as_json:
        write_json(found.to_json())
    else:
        click.echo(text(found))
    raise SystemExit(0 if found.is_well else 1)
