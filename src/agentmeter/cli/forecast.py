"""``agentmeter forecast``: what a request like this one will probably cost."""

import sys
from pathlib import Path

import click
import orjson

from agentmeter.api.project import journal_folder
from agentmeter.cli.report import made_from
from agentmeter.exceptions import AgentmeterError
from agentmeter.model.money import exact
from agentmeter.report.forecast import Asked, History, observed


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--feature", help="Of requests for this feature.")
@click.option("--model", help="Of requests whose first model call asked for this model.")
@click.option("--input-tokens", type=int, help="The input of the first model call.")
@click.option("--user", help="Of requests of this user, where there are enough.")
@click.option("--tenant", help="Of requests of this tenant, where there are enough.")
@click.option("--plan", help="Of requests under this plan, where there are enough.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option("--iteration", type=int, help="After so many iterations: what remains.")
@click.option("--spent", help="What these iterations have cost, such as 0.0125.")
@click.option("--json", "as_json", is_flag=True, help="JSON; amounts are decimal strings.")
def forecast(
    source: Path | None, spent: str | None, tags: tuple[str, ...], as_json: bool, **asked: str | int
) -> None:
    """Forecast a request from those recorded in SOURCE.

    SOURCE is what `agentmeter report` takes. The answer is taken from requests that agree in all
    that is asked for and are close in their input tokens, or in what they had spent by then.
    """
    given = _asked(asked, tags, spent)
    made = made_from(source or journal_folder())
    answer = History(observed(one) for one in made.requests).forecast(given)
    if as_json:
        shown = orjson.dumps(answer.to_json(), option=orjson.OPT_INDENT_2)
        sys.stdout.buffer.write(shown + b"\n")
    else:
        click.echo(str(answer))


def _asked(given: dict[str, str | int], tags: tuple[str, ...], spent: str | None) -> Asked:
    pairs = [tag.partition("=") for tag in tags]
    unreadable = [tag for tag in tags if "=" not in tag]
    if unreadable:
        raise click.ClickException(f"--tag {unreadable[0]}: write it as NAME=VALUE")
    try:
        amount = exact(spent, "spent") if spent is not None else None
        return Asked(**given, spent=amount, tags={name: value for name, _, value in pairs})  # type: ignore[arg-type]
    except AgentmeterError as error:
        raise click.ClickException(str(error)) from error
