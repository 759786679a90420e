"""``agentmeter demo``: a real agent loop on the real openai client, metered, then the report."""

import click

import agentmeter as am
from agentmeter.api.project import journal_folder
from agentmeter.report.report import build
from agentmeter.report.text import request_text
from agentmeter.store.reader import read


@click.command()
@click.option("--live", is_flag=True, help="Use OPENAI_API_KEY / OPENAI_BASE_URL, not the script.")
@click.option("--model", default="gpt-5-mini", show_default=True, help="The chat model.")
def demo(*, live: bool, model: str) -> None:
    """Run a small research agent for three users and show what each request cost."""
    from agentmeter.cli import demo_agent

    folder = journal_folder()
    am.configure(directory=folder)
    am.instrument("openai")
    ids = demo_agent.run_live(model) if live else demo_agent.run_scripted(model)
    am.flush()
    contents = read(folder)
    ours = [entry for entry in contents.entries if entry.request_id in ids]
    made = build(ours, contents.tariffs, faults=contents.faults())
    click.echo(str(made))
    dearest = max(made.requests, key=lambda one: one.usage.total_tokens)
    click.echo(f"\nThe largest of them:\n\n{request_text(dearest)}")
    click.echo(f"\nThe journal is in {folder}/. Try next:")
    click.echo("  agentmeter report")
    click.echo(f"  agentmeter report --request {dearest.request_id[:8]}")
    click.echo("  agentmeter report --by tool")
    click.echo("  agentmeter report --json")
