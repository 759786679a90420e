"""``agentmeter plans``: what the recorded requests would bring in, and an invoice over them."""

import gc
import random
from decimal import Decimal
from pathlib import Path

import click

from agentmeter.api.project import project_rate_card
from agentmeter.cli.book import book_from
from agentmeter.cli.choosing import opened
from agentmeter.cli.output import write_json
from agentmeter.cli.price import pricer_with
from agentmeter.cli.report import made_from, recorded, where
from agentmeter.cli.rolled import is_compacted
from agentmeter.exceptions import AgentmeterError
from agentmeter.pricing.plans import Cycle, Invoice, PlanBook, Traffic
from agentmeter.render.compare_svg import comparison_svg
from agentmeter.report.compare import Comparison, Question, compare, recorded_days
from agentmeter.report.compare_document import comparison_document, invoice_document
from agentmeter.report.compare_text import comparison_text
from agentmeter.report.margin import bills_under
from agentmeter.report.mix import Shift, shifted
from agentmeter.report.plan_text import invoice_text, plan_text
from agentmeter.report.report import Report
from agentmeter.report.reprice import Terms, replacement, reprice, swapped
from agentmeter.report.traffic import converted, traffic_of
from agentmeter.store.choice import Choice

_SOURCE = click.argument("source", required=False, type=click.Path(path_type=Path))
_PLANS = click.option(
    "--plans", "file", required=True, type=click.Path(path_type=Path), help="Plans in TOML."
)
_CYCLES = [one.value for one in Cycle]
_JSON = click.option("--json", "as_json", is_flag=True, help="JSON; amounts are decimal strings.")


@click.group()
def plans() -> None:
    """Plans: what end users are charged, against what their requests truly cost."""


@plans.command("show")
@_PLANS
def show(file: Path) -> None:
    """Say in plain language what each plan charges."""
    click.echo("\n\n".join(plan_text(plan) for plan in book_from(file).plans))


@plans.command("compare")
@_SOURCE
@_PLANS
@click.option("--plan", "names", multiple=True, help="Only this plan. Repeatable.")
@click.option("--period", type=click.Choice(_CYCLES), default="all", help="Figures by period too.")
@click.option(
    "--whole-periods",
    is_flag=True,
    help="Fees and allowances of whole periods, not only of the days that were recorded.",
)
@click.option("--mix", multiple=True, help="FIELD=GLOB:FACTOR, as feature=research*:2.0.")
@click.option(
    "--model",
    "models",
    multiple=True,
    help="FROM=TO: what it would cost on another model. FROM may be a glob. Repeatable.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the resampling.")
@click.option("--svg", type=click.Path(path_type=Path), help="Write a picture to this file.")
@_JSON
def compare_plans(
    source: Path | None,
    file: Path,
    names: tuple[str, ...],
    period: str,
    whole_periods: bool,
    mix: tuple[str, ...],
    models: tuple[str, ...],
    seed: int,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Put the requests recorded in SOURCE under each plan.

    SOURCE is a journal folder (default .agentmeter, or AGENTMETER_DIR), or OTLP JSON.
    """
    book = book_from(file)
    gc.disable()  # collections in between would take as long as the work
    try:
        shifts = [Shift.parsed(text) for text in mix]
        place = where(source)
        traffic, lost = _on_models(place, models, book) if models else recorded_in(place, book)
        traffic = shifted(traffic, shifts) if shifts else traffic
        question = Question(names, Cycle(period), whole_periods, lost)
        made = compare(traffic, book, random.Random(seed), question)
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error
    finally:
        gc.enable()
    _shown(made, svg, as_json=as_json)


@plans.command("invoice")
@_SOURCE
@_PLANS
@click.option("--plan", "name", required=True, help="The plan to bill under.")
@click.option("--account", help="Only this account.")
@click.option(
    "--recorded-days",
    "recorded",
    is_flag=True,
    help="Fees and allowances of the recorded days alone.",
)
@_JSON
def invoice(
    source: Path | None,
    file: Path,
    name: str,
    account: str | None,
    recorded: bool,
    as_json: bool,
) -> None:
    """Write the invoices of the requests recorded in SOURCE under one plan."""
    book = book_from(file)
    try:
        traffic, _ = recorded_in(where(source), book)
        made = _invoices(book, name, traffic, recorded_days_only=recorded)
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error
    kept = [one for one in made if account is None or one.account == account]
    if not kept:
        known = ", ".join(sorted({str(one.account) for one in made})[:5])
        raise click.ClickException(f"no account {account!r}; there are: {known}")
    if as_json:
        write_json([invoice_document(one) for one in kept])
    else:
        click.echo("\n\n".join(invoice_text(one) for one in kept))


def _invoices(
    book: PlanBook, name: str, traffic: Traffic, *, recorded_days_only: bool
) -> list[Invoice]:
    versions = book.versions(name)
    window = recorded_days(traffic) if recorded_days_only else None
    rate = book.rate(versions[0].currency)
    billed = bills_under(versions, traffic, book.accounts, window, rate)
    return [one for _, made in billed for one in made.invoices]


def _shown(made: Comparison, svg: Path | None, *, as_json: bool) -> None:
    if svg is not None:
        svg.write_text(comparison_svg(made), "utf-8")
    if as_json:
        write_json(comparison_document(made))
    else:
        click.echo(comparison_text(made))


def recorded_in(source: Path, book: PlanBook) -> tuple[Traffic, Decimal]:
    """The traffic recorded in a source, and what work cost that is no request's."""
    if is_compacted(source):
        with opened(source, Choice()) as store:
            if not store.refused:
                from agentmeter.store.traffic import traffic, unattributed

                made = traffic(store, book.currency, book.rate)
                return made, unattributed(store, book.rate)
    return _of(made_from(source), book)


def _of(report: Report, book: PlanBook) -> tuple[Traffic, Decimal]:
    outside = report.unattributed
    lost = converted(outside.amounts if outside else {}, book.rate)
    return traffic_of(report, book.currency, book.rate), lost


def _on_models(source: Path, models: tuple[str, ...], book: PlanBook) -> tuple[Traffic, Decimal]:
    """The recorded traffic as it would have cost on other models; no run is repeated."""
    terms = Terms(tuple(replacement(text) for text in models), others=False)
    entries, tariffs, faults = recorded(source)
    pricer = pricer_with(project_rate_card())
    return _of(swapped(reprice(entries, tariffs, pricer, terms, faults=faults)), book)
