"""``agentmeter receipt``: what a recorded request came to, told to the user who made it."""

from collections.abc import Callable
from pathlib import Path

import click

from agentmeter.api.project import project_public_names
from agentmeter.cli.book import book_from
from agentmeter.cli.output import write_json
from agentmeter.cli.report import made_from, only, where
from agentmeter.exceptions import AgentmeterError
from agentmeter.model import Status
from agentmeter.render.receipt_html import receipt_html
from agentmeter.render.receipt_markdown import receipt_markdown
from agentmeter.report.public_names import names_from_file
from agentmeter.report.receipt import Disclosure, Receipt
from agentmeter.report.receipt import receipt as receipt_from
from agentmeter.report.receipt_charge import PlanCharge, plan_charge
from agentmeter.report.report import Report, RequestReport
from agentmeter.report.traffic import row_in

_PATH = click.Path(path_type=Path)
_DETAILS = ("names", "cost", "models", "prices", "margin", "owner")
_FORMATS: dict[str, Callable[[Receipt], str]] = {
    "text": str,
    "md": receipt_markdown,
    "html": receipt_html,
}


@click.command()
@click.argument("source", required=False, type=_PATH)
@click.option(
    "--request", "request_id", required=True, help="The request, by its id or its beginning."
)
@click.option("--plans", type=_PATH, help="Plans in TOML; without them money is left out.")
@click.option("--plan", help="The plan to charge under, in place of the one on the record.")
@click.option("--names", type=_PATH, help="Public names in TOML: [public_names].")
@click.option(
    "--format", "as_format", type=click.Choice(["text", "json", "md", "html"]), default="text"
)
@click.option(
    "--detail",
    "details",
    multiple=True,
    type=click.Choice(_DETAILS),
    help="Show something internal as well. Repeatable.",
)
def receipt(
    source: Path | None,
    request_id: str,
    plans: Path | None,
    plan: str | None,
    names: Path | None,
    as_format: str,
    details: tuple[str, ...],
) -> None:
    """Write the receipt of a request recorded in SOURCE.

    SOURCE is a journal folder (default .agentmeter, or AGENTMETER_DIR), or OTLP JSON.
    """
    if plan is not None and plans is None:
        raise click.UsageError("--plan names one of the plans in --plans; give that as well")
    made = made_from(where(source), request_id if plans is None else None)
    (one,) = only(made, request_id).requests
    try:
        public = names_from_file(names) if names is not None else project_public_names()
        charge = _charge(made, one, plans, plan) if plans is not None else None
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error
    switches = {f"show_{detail}": True for detail in details}
    _write(receipt_from(one, Disclosure(public_names=public, **switches), charge), as_format)


def _write(one: Receipt, as_format: str) -> None:
    if as_format == "json":
        write_json(one.to_json())
    else:
        click.echo(_FORMATS[as_format](one).rstrip("\n"))


def _charge(made: Report, one: RequestReport, plans: Path, plan: str | None) -> PlanCharge | None:
    book = book_from(plans)
    name = plan or one.view.owner.plan
    if name is None:
        listed = ", ".join(book.names)
        raise click.ClickException(f"the request names no plan; name one with --plan: {listed}")
    rows = [row_in(other, book) for other in made.requests if other is not one]
    finished = one.tree.record.status is not Status.NEVER_CLOSED
    return plan_charge(book, name, row_in(one, book), rows, finished=finished)
