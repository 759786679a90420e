"""Keyed digests and token counts of pieces; the text goes no further than here."""

import hashlib
import os
from collections import OrderedDict
from pathlib import Path

from agentmeter.model import Origin, Segment
from agentmeter.runtime import tokenizer
from agentmeter.runtime.encodings import encoding_for
from agentmeter.runtime.faults import guarded
from agentmeter.runtime.provenance.pieces import Piece
from agentmeter.runtime.state import STATE

_MOST_COUNTS = 50_000
_VARIABLE = "AGENTMETER_DIGEST_KEY"


class Digests:
    """Digests under one key, and the token counts of what was seen before."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hashlib.blake2b(digest_size=8, key=key)
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def of(self, text: str) -> str:
        """16 hex digits that nobody without the key can guess a text from."""
        made = self._keyed.copy()
        made.update(text.encode("utf-8", "surrogatepass"))
        return made.hexdigest()

    def segment(self, piece: Piece, model: str) -> Segment:
        """The piece without its text; text that was seen before is not counted again."""
        digest = self.of(piece.text)
        if piece.origin is Origin.IMAGE:
            return Segment(piece.origin, digest, tokenizer.PER_IMAGE, piece.name)
        encoding = encoding_for(model)[0]
        known = self._counts.get((digest, encoding))
        if known is None:
            known = tokenizer.count(piece.text, model).tokens
            self._counts[digest, encoding] = known
            if len(self._counts) > _MOST_COUNTS:
                self._counts.popitem(last=False)
        return Segment(piece.origin, digest, known, piece.name)


_made: dict[str, Digests] = {}


def digests() -> Digests:
    """The digests under the key in force: the environment's, else the journal folder's."""
    folder = str(STATE.settings.get("directory") or "") if STATE.settings.get("journal") else ""
    given = os.environ.get(_VARIABLE)
    place = f"env:{given}" if given else folder
    if place not in _made:
        key = given.encode()[:64] if given else _key_in(folder) if folder else None
        _made[place] = Digests(key or os.urandom(32))
    return _made[place]


def _key_in(folder: str) -> bytes | None:
    """The key that all processes on a journal folder share; whoever is first makes it."""
    path = Path(folder) / ".key"
    with guarded("digest key"):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".key-{os.urandom(4).hex()}")
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(file, os.urandom(32))
        os.close(file)
        try:
            os.link(fresh, path)  # whole or not at all, and only by one
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return path.read_bytes()
    return None
