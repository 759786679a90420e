"""``agentmeter export``: recorded costs in the formats of other tools."""

import sys
from pathlib import Path

import click

from agentmeter.cli.report import WRITABLE, made_from, where
from agentmeter.exceptions import MoneyError
from agentmeter.render.csv import csv_lines as table_lines
from agentmeter.render.grafana import Columns, dashboard
from agentmeter.render.speedscope import speedscope as profile
from agentmeter.report.flat import Table, leaf_table, request_table
from agentmeter.report.focus import focus_rows, left_out
from agentmeter.report.report import Report
from agentmeter.report.stacks import stacks

_NEEDS_STORE = "Parquet needs {}: pip install 'agentmeter-otel[store]'"


@click.group()
def export() -> None:
    """Write recorded costs in a format of other tools."""


@export.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write.")
@click.option("--format", "kind", type=click.Choice(["csv", "parquet"]), default="csv")
@click.option("--billing-account", help="The billing account's id; the provider's name if absent.")
def focus(source: Path | None, output: Path | None, kind: str, billing_account: str | None) -> None:
    """FinOps FOCUS 1.2: one row for each meter of each call and for each charge.

    What has no price is in no row; how much that is, is said on standard error.
    """
    made = made_from(where(source))
    if kind == "parquet":
        _parquet(made, output, billing_account)
    else:
        _csv(made, output, billing_account)
    missing = left_out(made)
    if missing:
        click.echo(f"{missing} quantities have no price and are in no row", err=True)


def _csv(made: Report, output: Path | None, account: str | None) -> None:
    from agentmeter.render.focus import csv_lines

    lines = csv_lines(focus_rows(made, account))
    if output is None:
        for line in lines:
            sys.stdout.buffer.write(line.encode())
    else:
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)


def _parquet(made: Report, output: Path | None, account: str | None) -> None:
    if output is None:
        raise click.UsageError("Parquet is not text: name the file with -o FILE")
    try:
        from agentmeter.render.focus import write_parquet

        write_parquet(focus_rows(made, account), output)
    except ModuleNotFoundError as error:
        raise click.ClickException(_NEEDS_STORE.format(error.name)) from error
    except MoneyError as error:
        raise click.ClickException(str(error)) from error


@export.command("csv")
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=WRITABLE, help="The file to write.")
@click.option("--leaves", is_flag=True, help="One line for each call and charge.")
def as_csv(source: Path | None, output: Path | None, leaves: bool) -> None:
    """CSV, one line for each request; as ``agentmeter report --csv`` prints it."""
    lines = table_lines(_table(source, leaves=leaves))
    if output is None:
        for line in lines:
            sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    else:
        with output.open("wb") as file:
            file.writelines(line.encode("utf-8", "backslashreplace") for line in lines)


@export.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=WRITABLE, required=True, help="The file to write.")
@click.option("--leaves", is_flag=True, help="One row for each call and charge.")
def parquet(source: Path | None, output: Path, leaves: bool) -> None:
    """Parquet, one row for each request; amounts are decimals that hold every digit."""
    table = _table(source, leaves=leaves)
    try:
        from agentmeter.render.parquet import write_table

        write_table(table, output)
    except ModuleNotFoundError as error:
        raise click.ClickException(_NEEDS_STORE.format(error.name)) from error
    except MoneyError as error:
        raise click.ClickException(str(error)) from error


def _table(source: Path | None, *, leaves: bool) -> Table:
    made = made_from(where(source))
    return leaf_table(made) if leaves else request_table(made)


@export.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=WRITABLE, help="The file to write.")
@click.option(
    "--requests", "most", type=click.IntRange(0), default=100, show_default=True,
    help="How many requests have a profile of their own, the dearest first.",
)  # fmt: skip
def speedscope(source: Path | None, output: Path | None, most: int) -> None:
    """A profile for speedscope: the wider a frame, the more it cost.

    What has no price has no width; how much that is, is said on standard error.
    """
    made = made_from(where(source))
    data = profile(stacks(made, most))
    if output is None:
        sys.stdout.buffer.write(data + b"\n")
    else:
        output.write_bytes(data)
    if len(made.requests) > most:
        click.echo(f"{len(made.requests) - most} requests are only in the profile of all", err=True)
    missing = sum(len(one.missing) for one in made.requests)
    if missing:
        click.echo(f"{missing} quantities have no price and are in no profile", err=True)


@export.command()
@click.option("-o", "--output", type=WRITABLE, help="The file to write.")
@click.option(
    "--columns", type=click.Choice(["map", "json"]), default="map", show_default=True,
    help="How the collector's exporter has laid attributes out.",
)  # fmt: skip
def grafana(output: Path | None, columns: Columns) -> None:
    """A Grafana dashboard over ClickHouse's otel_traces, as the collector's exporter fills it.

    For the data source grafana-clickhouse-datasource; database and table are asked for on top.
    """
    text = dashboard(columns)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
