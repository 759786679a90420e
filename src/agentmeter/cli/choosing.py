"""Options that choose what a roll-up takes, and the store that it asks."""

import contextlib
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from agentmeter.cli.moment import Moment
from agentmeter.exceptions import AgentmeterError
from agentmeter.pricing import Cached, Catalog
from agentmeter.report.breakdown import KEYS
from agentmeter.store.choice import Choice

if TYPE_CHECKING:
    from agentmeter.store.clickhouse.address import Address

F = TypeVar("F", bound=Callable[..., Any])

BY = f"{', '.join(KEYS)}, origin or tag:NAME"


def choosing(command: F) -> F:
    """Add ``--since``, ``--until`` and ``--where``; the command gets them as a ``choice``."""

    @wraps(command)
    def choosing_command(
        *given: Any,
        since: int | None,
        until: int | None,
        conditions: tuple[str, ...],
        **named: Any,
    ) -> Any:
        return command(*given, choice=Choice(since, until, conditions), **named)

    options = (
        click.option("--since", type=Moment(), help="Requests from then on: 2026-11-01, or 7d."),
        click.option("--until", type=Moment(), help="Requests that began before then."),
        click.option(
            "--where",
            "conditions",
            multiple=True,
            help="field=value, also != > >= < <=; repeat it for several. cost, calls, tokens and "
            "seconds are those of a whole request: cost>0.5",
        ),
    )
    chooses: Any = choosing_command
    for option in reversed(options):
        chooses = option(chooses)
    return cast("F", chooses)


@contextlib.contextmanager
def opened(source: "Path | Address", choice: Choice) -> Iterator[Any]:
    """The store over a folder or a table; what is not in its figures is said on standard error.

    Of a table no more is read than the choice can be about.
    """
    try:
        with _store(source, choice) as store:
            for problem in store.problems:
                click.echo(problem, err=True)
            yield store
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error


def _store(source: "Path | Address", choice: Choice) -> Any:
    pricer = Cached(Catalog())
    if isinstance(source, Path):
        from agentmeter.store.engine import Embedded

        return Embedded(source, pricer)
    from agentmeter.store.clickhouse.table import SpanTable

    return SpanTable(source, pricer, since_ns=choice.since_ns)
