"""``agentmeter serve``: receive spans over HTTP, and show what they cost while they come in."""

import os
from pathlib import Path

import click

from agentmeter.cli.book import book_from
from agentmeter.cli.report import where
from agentmeter.exceptions import AgentmeterError
from agentmeter.serve.limits import Limits
from agentmeter.serve.tokens import Token, token_of, tokens_from

_TOKEN = "AGENTMETER_TOKEN"
_FILE = click.Path(path_type=Path, dir_okay=False)
_USUAL = Limits()
_MB = 1 << 20


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", default=4318, show_default=True, type=click.IntRange(0, 65535))
@click.option("--tokens", type=_FILE, help=f"Tokens in TOML; {_TOKEN} is the operator's own.")
@click.option("--name", "names", multiple=True, help="A host name that this server is reached by.")
@click.option("--plans", type=_FILE, help="Plans in TOML, for margin on the page.")
@click.option("--max-body", default=_USUAL.body // _MB, show_default=True, type=click.IntRange(1),
              help="Megabytes of one export, also unpacked.")  # fmt: skip
@click.option("--max-pending", default=_USUAL.pending // _MB, show_default=True,
              type=click.IntRange(1), help="Megabytes that wait to be written.")  # fmt: skip
@click.option("--shown", default=100_000, show_default=True, type=click.IntRange(1),
              help="Entries that the page holds: the latest requests.")  # fmt: skip
@click.option("--no-fsync", is_flag=True, help="Acknowledge what the system has, not the disk.")
@click.option("--keep-content", is_flag=True, help="Keep prompts and answers that spans carry.")
def serve(
    folder: Path | None,
    host: str,
    port: int,
    tokens: Path | None,
    names: tuple[str, ...],
    plans: Path | None,
    max_body: int,
    max_pending: int,
    shown: int,
    no_fsync: bool,
    keep_content: bool,
) -> None:
    """Receive OTLP over HTTP into FOLDER, and show what is in it on a page.

    FOLDER is a journal folder (default .agentmeter, or AGENTMETER_DIR). What programs on this
    machine write to it themselves is shown as well.
    """
    try:
        from agentmeter.serve.server import Settings, serve
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"the server needs {error.name}: pip install 'agentmeter-otel[serve]'"
        ) from error
    if plans is not None:
        book_from(plans)  # what is wrong with it is told now
    try:
        settings = Settings(
            folder=where(folder),
            host=host,
            port=port,
            tokens=_tokens(tokens),
            names=tuple(name.lower() for name in names),
            plans=plans,
            sync=not no_fsync,
            keep_content=keep_content,
            shown=shown,
            limits=Limits(body=max_body * _MB, inflated=max_body * _MB, pending=max_pending * _MB),
        )
        serve(settings, lambda address: _told(settings.folder, address))
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error


def _tokens(file: Path | None) -> tuple[Token, ...]:
    own = os.environ.get(_TOKEN)
    listed = tokens_from(file) if file is not None else ()
    return (token_of(own, _TOKEN), *listed) if own else listed


def _told(folder: Path, address: str) -> None:
    click.echo(f"The page is at {address}/, OTLP goes to {address}/v1/traces, into {folder}")
