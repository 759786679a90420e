"""The commands, gathered."""

import click

from agentmeter.cli.compact import compact
from agentmeter.cli.demo import demo
from agentmeter.cli.doctor import doctor
from agentmeter.cli.export import export
from agentmeter.cli.forecast import forecast
from agentmeter.cli.plans import plans
from agentmeter.cli.price import price
from agentmeter.cli.prices import prices
from agentmeter.cli.receipt import receipt
from agentmeter.cli.reconcile import reconcile
from agentmeter.cli.report import report
from agentmeter.cli.reprice import reprice
from agentmeter.cli.retention import erase, prune
from agentmeter.cli.run import run
from agentmeter.cli.serve import serve
from agentmeter.cli.top import top


@click.group()
@click.version_option(package_name="agentmeter-otel")
def app() -> None:
    """What a user's request to an AI agent truly cost."""


app.add_command(compact)
app.add_command(demo)
app.add_command(doctor)
app.add_command(erase)
app.add_command(export)
app.add_command(forecast)
app.add_command(plans)
app.add_command(price)
app.add_command(prices)
app.add_command(prune)
app.add_command(receipt)
app.add_command(reconcile)
app.add_command(report)
app.add_command(reprice)
app.add_command(run)
app.add_command(serve)
app.add_command(top)
