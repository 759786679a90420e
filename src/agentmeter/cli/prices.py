"""``agentmeter prices``: a model's rates, conditions and history."""

import sys
from pathlib import Path

import click
import orjson

from agentmeter.cli.price import pricer_with
from agentmeter.pricing import PriceKey, Unpriced
from agentmeter.report.prices import listed, price_values, prices_text


@click.command()
@click.argument("model")
@click.option("--provider", help="Found from the model's name where left out.")
@click.option("--region", help="The prices there.")
@click.option("--deployment", help="The prices of a deployment such as eu-datazone.")
@click.option("--rate-card", type=click.Path(path_type=Path), help="A card over the catalog.")
@click.option("--json", "as_json", is_flag=True, help="JSON; prices of one unit, as strings.")
def prices(
    model: str,
    provider: str | None,
    region: str | None,
    deployment: str | None,
    rate_card: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show the rates of MODEL, under which conditions and when they hold, and their sources."""
    key = PriceKey(provider, model, region=region, deployment=deployment)
    pricer = pricer_with(rate_card)
    rows = listed(key, pricer)
    if not rows:
        answer = pricer.tariff(key)
        reason = answer.reason if isinstance(answer, Unpriced) else "no rate is known"
        raise click.ClickException(reason)
    if as_json:
        shown = {"model": model, "provider": provider, "rates": price_values(rows)}
        sys.stdout.buffer.write(orjson.dumps(shown, option=orjson.OPT_INDENT_2) + b"\n")
    else:
        click.echo(prices_text(rows))
