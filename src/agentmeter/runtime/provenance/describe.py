"""From a request's body to the amendment that says what it was made of."""

from collections.abc import Mapping
from typing import Any

from agentmeter.model import Amendment, Origin
from agentmeter.runtime.call import CallScope
from agentmeter.runtime.counting import COUNTER
from agentmeter.runtime.ledger import Ledger
from agentmeter.runtime.provenance.digests import digests
from agentmeter.runtime.provenance.documents import cut_out, documents_of
from agentmeter.runtime.provenance.pieces import Piece, pieces
from agentmeter.runtime.scope import emit
from agentmeter.runtime.state import STATE

_MOST = 2_000
_ASKED = (
    *("model", "tool_choice", "response_format", "text", "temperature", "top_p", "n", "seed"),
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "reasoning", "stop"),
    *("previous_response_id", "conversation", "dimensions", "thinking"),
)
"""What makes two requests differ beside their input."""


def describe_input(scope: CallScope, shape: str, body: Mapping[str, Any]) -> None:
    """Say later, by an amendment, what a call's input is made of.

    ``shape`` is one of ``pieces.SHAPES``. The caller's thread only copies the body's lists, since
    the application may go on appending to its own; all else happens on the counter's.
    """
    if STATE.provenance:
        kept = {key: list(v) if isinstance(v, list) else v for key, v in body.items()}
        scope_id, request_id, ledger = scope.scope_id, scope.request_id, scope.ledger
        COUNTER.submit(lambda: _describe(scope_id, request_id, ledger, shape, kept))


def _describe(
    scope_id: str, request_id: str, ledger: Ledger | None, shape: str, body: Mapping[str, Any]
) -> None:
    made_by, model = digests(), str(body.get("model") or "")
    documents = documents_of(ledger)
    found = [cut for piece in pieces(shape, body) for cut in cut_out(piece, documents)]
    segments = tuple(made_by.segment(piece, model) for piece in _bounded(found))
    asked = repr([(name, body[name]) for name in _ASKED if name in body])
    told = ",".join(f"{one.origin}:{one.digest}" for one in segments)
    said = Amendment(
        STATE.new_id(8),
        request_id,
        scope_id,
        STATE.now_ns(),
        segments=segments,
        input_digest=made_by.of(f"{asked} {told}"),
    )
    emit(said, ledger, None)


def _bounded(found: list[Piece]) -> list[Piece]:
    """At most so many pieces: what stands between the beginning and the latest becomes one."""
    if len(found) <= _MOST:
        return found
    head, tail = found[: _MOST // 2], found[-(_MOST // 2 - 1) :]
    between = "\n".join(piece.text for piece in found[len(head) : -len(tail)])
    return [*head, Piece(Origin.OTHER, between), *tail]
