"""Documents that the application names, so that they are known again inside a longer text."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from agentmeter.model import Origin
from agentmeter.runtime.context import current_scope
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.ledger import Ledger

if TYPE_CHECKING:
    from agentmeter.runtime.provenance.pieces import Piece

_MOST = 256
_MOST_CHARACTERS = 8_000_000
_documents: "WeakKeyDictionary[Ledger, OrderedDict[str, str]]" = WeakKeyDictionary()


def retrieved(text: str, name: str | None = None) -> str:
    """``text``, unchanged; a call's input that contains it is then known to come from ``name``.

    For what a retrieval brings into a prompt: ``f"Answer from {am.retrieved(page, 'doc-17')}"``.
    Texts are held in memory for as long as the request is: 256 of them and 8 million characters
    at most, the oldest forgotten first. Outside of a request nothing is held.
    """
    with guarded("retrieved"):
        scope = current_scope()
        if text and scope is not None and scope.ledger is not None:
            held = _documents.setdefault(scope.ledger, OrderedDict())
            held[text] = name or "document"
            while len(held) > _MOST or sum(map(len, held)) > _MOST_CHARACTERS:
                held.popitem(last=False)
    return text


def documents_of(ledger: Ledger | None) -> Mapping[str, str]:
    """The names of the documents of a request, by their text."""
    return dict(_documents.get(ledger, {})) if ledger is not None else {}


def cut_out(piece: "Piece", documents: Mapping[str, str]) -> Iterator["Piece"]:
    """``piece``, with the documents that it contains as pieces of their own."""
    from agentmeter.runtime.provenance.pieces import Piece

    whole = piece.origin in (Origin.ASSISTANT, Origin.TOOLS, Origin.IMAGE)
    if whole or (piece.text and not documents):
        yield piece
        return
    at = 0
    while at < len(piece.text):
        found = min(
            ((place, text) for text in documents if (place := piece.text.find(text, at)) >= 0),
            default=None,
            key=lambda one: (one[0], -len(one[1])),
        )
        start, text = found if found is not None else (len(piece.text), "")
        if start > at:
            yield Piece(piece.origin, piece.text[at:start], piece.name)
        if text:
            yield Piece(Origin.RETRIEVED, text, documents[text])
        at = start + len(text)
