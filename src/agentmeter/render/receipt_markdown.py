"""A receipt as Markdown."""

import re

from agentmeter.report.receipt import Receipt
from agentmeter.report.receipt_words import Section, sections
from agentmeter.report.text import shown

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_LEADING = re.compile(r"^\s+|\s+$")


def receipt_markdown(one: Receipt) -> str:
    """Headings and lists; names stand as they are, whatever is in them."""
    return "\n\n".join(["# Receipt", *map(_section, sections(one))]) + "\n"


def _section(one: Section) -> str:
    lines = [f"- **{_plain(label)}:** {_plain(said)}" if label else f"- {_plain(said)}"
             for label, said in one.lines]  # fmt: skip
    return "\n".join([f"## {one.title}", "", *lines])


def _plain(text: str) -> str:
    """Text as text: every mark that could mean something is escaped, and blanks at the ends go.

    Escaping the point and the colon also keeps addresses from becoming links.
    """
    return _PUNCTUATION.sub(r"\\\1", _LEADING.sub("", shown(text)))
