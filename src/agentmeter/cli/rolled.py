"""Roll-ups, distributions and breakdowns, shown."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentmeter.cli.choosing import opened
from agentmeter.cli.output import write_json
from agentmeter.report.breakdown import Row
from agentmeter.report.document import origin_values, row_values
from agentmeter.report.provenance import Origins
from agentmeter.report.text import distribution_text, origins_text, rows_text
from agentmeter.store.choice import Choice
from agentmeter.store.folder import holdings

if TYPE_CHECKING:
    from agentmeter.store.clickhouse.address import Address


def is_compacted(place: Path) -> bool:
    """Whether a folder holds Parquet of ours, so that a breakdown is a roll-up."""
    return place.is_dir() and bool(holdings(place).generations)


def show_chosen(
    place: "Path | Address", by: str | None, choice: Choice, *, spread: bool, as_json: bool
) -> None:
    """Show the chosen requests of a folder or table by key, or as a distribution."""
    from agentmeter.store.rollup import distribution, origins, rollup

    with opened(place, choice) as store:
        if spread:
            found = distribution(store, choice)
            if as_json:
                write_json(found.to_json())
            else:
                click.echo(distribution_text(found))
        elif by == "origin":
            show_origins(origins(store, choice), as_json=as_json)
        else:
            key = by or "request"
            show_by(key, rollup(store, key, choice), as_json=as_json)


def show_by(by: str, rows: tuple[Row, ...], *, as_json: bool) -> None:
    """Show the rows of a breakdown or a roll-up."""
    if as_json:
        write_json({"by": by, "rows": row_values(rows)})
    else:
        click.echo(rows_text(by, rows))


def show_origins(rows: tuple[Origins, ...], *, as_json: bool) -> None:
    """Show what input was paid for by origin."""
    if as_json:
        write_json({"by": "origin", "rows": origin_values(rows)})
    else:
        click.echo(origins_text(rows))
