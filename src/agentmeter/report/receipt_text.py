"""A receipt as plain text."""

from agentmeter.report.receipt import Receipt
from agentmeter.report.receipt_words import Section, sections
from agentmeter.report.text import shown


def text(one: Receipt) -> str:
    """Section by section; what would steer a terminal is escaped."""
    return "\n\n".join(["Receipt", *map(_section, sections(one))])


def _section(one: Section) -> str:
    width = max((len(shown(label)) for label, _ in one.lines), default=0)
    lines = [
        f"  {f'{shown(label)}:'.ljust(width + 1)}  {shown(said)}" if label else f"  {shown(said)}"
        for label, said in one.lines
    ]
    return "\n".join([one.title, *lines])
