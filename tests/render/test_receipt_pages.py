"""Receipts as Markdown and as a page, with names that mean harm."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from agentmeter.render.receipt_html import receipt_html
from agentmeter.render.receipt_markdown import receipt_markdown
from agentmeter.report.receipt import Action, Outcome, Receipt, Work
from agentmeter.report.receipt_words import sections

PLAIN = Receipt(
    "r-1", "research", 1_790_000_000_000_000_000, Outcome.DONE, (), Work(2, 100, 20, 3_000_000_000)
)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "![x](http://evil.example/x.png)",
    "[click](javascript:alert(1)) <http://evil.example> http://evil.example www.evil.example",
    "a\n\n# heading\n- item\n```\ncode",
    "\x1b[2J\u202edrowssap\x00",
    "</style><style>@import url(//evil.example)",
    "&lt;b&gt; &#106; *bold* _it_ ~~s~~ `c` | a | b | \\",
)


def receipt_of(name: str) -> Receipt:
    """A receipt on which everything is called so."""
    return replace(PLAIN, asked=name, request_id=name, actions=(Action(name, "tool", 2),))


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def escaped(text: str) -> str:
    """What stands for text that cannot be printed."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_adds_nothing_to_a_page(name: str) -> None:
    """The page is made of the same elements as with a plain name, and shows the name as it is."""
    page, plain = Page(receipt_html(receipt_of(name))), Page(receipt_html(receipt_of("x")))
    assert page.tags == plain.tags
    assert f"{escaped(name)}, twice" in page.words


def test_a_page_asks_for_nothing() -> None:
    """No script, no link, no address; a policy that forbids them; both schemes of colour."""
    text = receipt_html(receipt_of("x"))
    page = Page(text)
    assert set(page.tags) == {
        *("html", "head", "meta", "title", "style", "body", "main", "h1", "section", "h2"),
        *("dl", "dt", "dd", "ul", "li"),
    }
    assert not page.attributes & {"src", "href", "style", "onload", "action"}
    assert "url(" not in text
    assert "://" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_a_page_can_be_read_without_seeing_it() -> None:
    """It says its language, has a title, one main heading, and names its sections by headings."""
    text = receipt_html(receipt_of("x"))
    assert '<html lang="en">' in text
    assert "<title>Receipt: x</title>" in text
    assert text.count("<h1>") == text.count("<main>") == 1
    for part in sections(receipt_of("x")):
        name = part.title.lower().replace(" ", "-")
        assert f'<section aria-labelledby="{name}">\n<h2 id="{name}">{part.title}</h2>' in text


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_its_contrast_is_seven_to_one() -> None:
    """Text on paper in light and dark, by WCAG's formula."""
    text = receipt_html(PLAIN)
    schemes = [part.split("}")[0] for part in text.split(":root {")[1:]]
    for scheme in schemes:
        colours = {
            name.strip(): value.strip()
            for name, _, value in (one.partition(":") for one in scheme.split(";"))
        }
        paper = luminance(colours["--paper"])
        for name in ("--ink", "--soft"):
            light, dark = sorted((luminance(colours[name]), paper), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 7, (name, scheme)
    assert len(schemes) == 2


def shown_by(markdown: str) -> Page:
    """The page that a reader of Markdown, with raw HTML and all extensions on, makes of it."""
    return Page(MarkdownIt("gfm-like", {"linkify": False}).render(markdown))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_adds_nothing_to_markdown(name: str) -> None:
    """It becomes no element and no line, and is shown as it is."""
    page, plain = shown_by(receipt_markdown(receipt_of(name))), shown_by(receipt_markdown(PLAIN))
    assert set(page.tags) == set(plain.tags)
    assert f"{escaped(name)}, twice" in page.words


@given(st.text())
def test_no_name_adds_to_a_page_or_to_markdown(name: str) -> None:
    """Whatever a name is: as many elements as with a plain one."""
    plain = receipt_of("x")
    assert Page(receipt_html(receipt_of(name))).tags == Page(receipt_html(plain)).tags
    there = shown_by(receipt_markdown(receipt_of(name)))
    assert there.tags == shown_by(receipt_markdown(plain)).tags
