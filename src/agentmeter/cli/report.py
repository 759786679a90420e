"""``agentmeter report``: what the recorded requests cost."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentmeter.api.project import journal_folder
from agentmeter.cli.choosing import BY, choosing
from agentmeter.cli.edge import Edge, edge_options
from agentmeter.cli.output import write_json
from agentmeter.cli.page import write_page
from agentmeter.cli.rolled import is_compacted, show_by, show_chosen, show_origins
from agentmeter.cli.source import SourceType
from agentmeter.exceptions import ConfigurationError, SourceError
from agentmeter.model import Entry
from agentmeter.pricing import Cached, Catalog, Tariff
from agentmeter.render.csv import csv_lines
from agentmeter.report.breakdown import breakdown
from agentmeter.report.flat import leaf_table, request_table
from agentmeter.report.provenance import origins
from agentmeter.report.report import Report
from agentmeter.report.text import request_text
from agentmeter.store import recorded as store
from agentmeter.store.choice import Choice
from agentmeter.store.recorded import report_holding

if TYPE_CHECKING:
    from agentmeter.store.clickhouse.address import Address

_TABLE = (
    "a table in ClickHouse is reported on as roll-ups, as text or JSON, or one request at a time "
    "(--request); leave --csv, --html, --allocations, --round, --rounding and --tax out"
)
_CHOSEN = (
    "--since, --until, --where and --distribution are about the direct cost of many requests, as "
    "text or JSON; leave --request, --csv, --html, --allocations, --round, --rounding and --tax out"
)
WRITABLE = click.Path(path_type=Path, dir_okay=False, writable=True)
"""A file that is written."""


@click.command()
@click.argument("source", required=False, type=SourceType())
@click.option("--request", "request_id", help="One request, by its id or the beginning of it.")
@click.option("--by", help=f"Break down by {BY}.")
@choosing
@click.option("--distribution", "spread", is_flag=True, help="What a request costs: p50 … max.")
@click.option("--json", "as_json", is_flag=True, help="JSON; amounts are decimal strings.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, one line for each request.")
@click.option("--leaves", is_flag=True, help="With --csv: one line for each call and charge.")
@click.option("--html", type=WRITABLE, help="Write a page of its own to this file.")
@click.option(
    "--plans", type=click.Path(path_type=Path), help="With --html: plans in TOML, for margin."
)
@edge_options
def report(
    source: "Path | Address | None",
    request_id: str | None,
    by: str | None,
    choice: Choice,
    spread: bool,
    as_json: bool,
    as_csv: bool,
    leaves: bool,
    html: Path | None,
    plans: Path | None,
    edge: Edge,
) -> None:
    """Report on SOURCE.

    SOURCE is a journal folder (default .agentmeter, or AGENTMETER_DIR), or a file or
    folder of OTLP JSON; GenAI spans of other instrumentations are read as well. Or it is
    the table that the OpenTelemetry Collector fills in ClickHouse:
    clickhouse://user@host:8123/database?table=otel_traces.
    """
    if by is not None and (edge.states or edge.allocations):
        raise click.UsageError(
            "--by breaks the direct cost down, which is exact and has no allocations in it; "
            "leave --allocations, --round, --rounding and --tax out"
        )
    if as_json + as_csv + (html is not None) > 1 or (by and (as_csv or html)):
        raise click.UsageError("one of --json, --csv and --html; --by is shown as text or JSON")
    if leaves > as_csv or (plans and not html):
        raise click.UsageError("--leaves is for --csv, and --plans is for --html")
    place = source or where(None)
    if not isinstance(place, Path):
        if as_csv or html or edge.states or edge.allocations:
            raise click.UsageError(_TABLE)
        _of_table(place, request_id, by, choice, spread=spread, as_json=as_json)
    elif spread or choice != Choice():
        if request_id or as_csv or html or edge.states or edge.allocations:
            raise click.UsageError(_CHOSEN)
        show_chosen(place, by, choice, spread=spread, as_json=as_json)
    elif by is not None and request_id is None and is_compacted(place):
        show_chosen(place, by, choice, spread=False, as_json=as_json)
    else:
        # A period's cost is shared among all, and so is what rounding leaves over.
        alone = None if edge.allocations or edge.states else request_id
        made = edge.applied(made_from(place, alone))
        made = only(made, request_id) if request_id is not None else made
        _show(
            made,
            by,
            as_json=as_json,
            as_csv=as_csv,
            leaves=leaves,
            html=html,
            plans=plans,
            single=request_id is not None,
        )


def _of_table(
    table: "Address",
    request_id: str | None,
    by: str | None,
    choice: Choice,
    *,
    spread: bool,
    as_json: bool,
) -> None:
    """Roll-ups run in the server; of one request the spans are fetched."""
    if request_id is None:
        show_chosen(table, by, choice, spread=spread, as_json=as_json)
        return
    made = only(_fetched(table, request_id), request_id)
    if by is not None:
        _broken_down(made, by, as_json=as_json)
    elif as_json:
        write_json(made.to_json())
    else:
        click.echo(request_text(made.requests[0]))


def _show(
    made: Report,
    by: str | None,
    *,
    as_json: bool,
    as_csv: bool,
    leaves: bool,
    html: Path | None,
    plans: Path | None,
    single: bool,
) -> None:
    if by is not None:
        _broken_down(made, by, as_json=as_json)
    elif as_json:
        write_json(made.to_json())
    elif as_csv:
        _write_csv(made, leaves=leaves)
    elif html is not None:
        write_page(made, html, plans)
    elif single:
        click.echo(request_text(made.requests[0]))
    else:
        click.echo(str(made))


def _broken_down(made: Report, by: str, *, as_json: bool) -> None:
    if by == "origin":
        show_origins(origins(made), as_json=as_json)
        return
    try:
        rows = breakdown(made, by)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    show_by(by, rows, as_json=as_json)


def _write_csv(made: Report, *, leaves: bool) -> None:
    table = leaf_table(made) if leaves else request_table(made)
    for line in csv_lines(table):
        sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))


def where(source: Path | None) -> Path:
    """The source that is named, else the configured journal folder."""
    return source or journal_folder()


def _fetched(table: "Address", request_id: str) -> Report:
    """The report of one request of a table."""
    from agentmeter.store.clickhouse.table import request_report

    try:
        return request_report(table, request_id, Cached(Catalog()))
    except SourceError as error:
        raise click.ClickException(str(error)) from error


def made_from(source: Path, request_id: str | None = None) -> Report:
    """The report over a source, or over the requests in it whose id begins so."""
    try:
        return report_holding(source, request_id)
    except SourceError as error:
        raise click.ClickException(str(error)) from error


def recorded(source: Path) -> tuple[list[Entry], dict[str, Tariff], dict[str, int]]:
    """The entries of a source, the tariffs that they name, and what could not be read."""
    try:
        return store.recorded(source)
    except SourceError as error:
        raise click.ClickException(str(error)) from error


def only(made: Report, request_id: str) -> Report:
    """The report of the one request whose id begins so."""
    found = [one for one in made.requests if one.request_id == request_id] or [
        one for one in made.requests if one.request_id.startswith(request_id)
    ]
    if not found:
        raise click.ClickException(
            f"no request's id is or begins with {request_id!r}; agentmeter report lists them"
        )
    if len(found) > 1:
        listed = ", ".join(one.request_id for one in found[:5])
        raise click.ClickException(f"several requests begin with {request_id!r}: {listed}")
    one = found[0]
    return replace(
        made,
        requests=(one,),
        unattributed=None,
        unshared=(),
        unshared_stated=None,
        stated=one.stated,
    )
