"""A receipt as one HTML page that needs nothing else: no script, no font, no picture, no request.

It is set in the reader's light or dark colours, whose contrast is 7 to 1 or more (WCAG 2.2, AAA),
reads in order without its style, and prints.
"""

from collections.abc import Iterator
from html import escape

from agentmeter.report.receipt import Receipt
from agentmeter.report.receipt_words import Section, sections
from agentmeter.report.text import shown

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --paper: #ffffff; --soft: #46464f; --line: #c7c7d1 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #ececf1; --paper: #131318; --soft: #c1c1cc; --line: #43434d }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { max-width: 40rem; margin: 0 auto; padding: 2rem 1.25rem; overflow-wrap: anywhere }
h1 { font-size: 1.75rem; margin: 0 0 1rem }
h2 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line) }
dl { display: grid; grid-template-columns: minmax(7rem, 1fr) 2fr; gap: .35rem 1.25rem; margin: 0 }
dt { color: var(--soft) }
dd { margin: 0; font-variant-numeric: tabular-nums }
ul { margin: .5rem 0 0; padding-left: 1.25rem }
@media (max-width: 30rem) { dl { grid-template-columns: 1fr } dd { margin-bottom: .5rem } }
""".strip()  # noqa: E501  # one rule a line
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def receipt_html(one: Receipt) -> str:
    """The page. Names are escaped; a policy in it forbids whatever could be asked of elsewhere."""
    title = f"Receipt: {_text(one.asked)}"
    parts = [part for section in sections(one) for part in _section(section)]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            "<h1>Receipt</h1>",
            *parts,
            "</main>",
            "</body>",
            "</html>\n",
        ]
    )


def _section(one: Section) -> Iterator[str]:
    name = one.title.lower().replace(" ", "-")
    yield f'<section aria-labelledby="{name}">'
    yield f'<h2 id="{name}">{_text(one.title)}</h2>'
    labelled = [(label, said) for label, said in one.lines if label]
    if labelled:
        yield "<dl>"
        for label, said in labelled:
            yield f"<dt>{_text(label)}</dt><dd>{_text(said)}</dd>"
        yield "</dl>"
    listed = [said for label, said in one.lines if not label]
    if listed:
        yield "<ul>"
        for said in listed:
            yield f"<li>{_text(said)}</li>"
        yield "</ul>"
    yield "</section>"


def _text(text: str) -> str:
    return escape(shown(text))
