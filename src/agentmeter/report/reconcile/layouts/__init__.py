"""The layouts of bills, told apart by their columns."""

from agentmeter.exceptions import SourceError
from agentmeter.report.reconcile.bill import Layout
from agentmeter.report.reconcile.layouts import anthropic, aws, focus, openai, openrouter

LAYOUTS = (
    openai.USAGE,
    openai.COSTS,
    anthropic.USAGE,
    anthropic.COSTS,
    aws.REPORT,
    openrouter.ACTIVITY,
    focus.EXPORT,
)


def detected(columns: frozenset[str], name: str) -> Layout:
    """The layout that has these columns. Raises ``SourceError`` that says which are known."""
    for layout in LAYOUTS:
        if layout.fits(columns):
            return layout
    known = ", ".join(layout.name for layout in LAYOUTS)
    seen = ", ".join(sorted(columns)[:8]) or "none"
    raise SourceError(
        f"{name}, line 1: a bill in an unknown layout, with the columns {seen}; known are: {known}"
    )
