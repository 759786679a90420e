"""``agentmeter reconcile``: the provider's own bill beside what was metered."""

from pathlib import Path

import click

from agentmeter.cli.output import write_json
from agentmeter.cli.report import made_from, where
from agentmeter.exceptions import ConfigurationError, SourceError
from agentmeter.report.breakdown import leaf_key
from agentmeter.report.reconcile.compare import reconcile as reconciled
from agentmeter.report.reconcile.text import reconciled_document, reconciled_text
from agentmeter.store.bills import read_bill


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option(
    "--bill",
    "bills",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="A usage or cost export; repeat it for the two halves of one bill.",
)
@click.option(
    "--key-by",
    help="What of a call names its API key or project: tag:NAME, tenant, feature … "
    "Without it, keys are not told apart.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON; amounts are decimal strings.")
def reconcile(
    source: Path | None, bills: tuple[Path, ...], key_by: str | None, as_json: bool
) -> None:
    """Hold the calls recorded in SOURCE against a bill.

    Bills: OpenAI usage and costs (JSON, CSV), Anthropic usage and cost reports, AWS cost and usage
    reports (CSV, Parquet), OpenRouter activity, FOCUS 1.2 (CSV, Parquet). Days are in UTC.
    """
    try:
        key = None if key_by is None else leaf_key(key_by)
        read = [read_bill(bill) for bill in bills]
    except (ConfigurationError, SourceError) as error:
        raise click.ClickException(str(error)) from error
    made = reconciled(made_from(where(source)), read, key)
    if as_json:
        write_json(reconciled_document(made))
    else:
        click.echo(reconciled_text(made))
