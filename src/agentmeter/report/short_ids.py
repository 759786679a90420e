"""Ids as people read and type them: the beginning that no other request has."""

import re
from collections import Counter
from collections.abc import Iterable

_MINTED = re.compile(r"[0-9a-f]{32}")
_LEAST, _WHOLE = 8, 32


def short_ids(ids: Iterable[str]) -> dict[str, str]:
    """Each id → its beginning, all of one length, at least eight digits.

    An id of the application's own stays whole, since it says something to whoever gave it.
    """
    every = tuple(dict.fromkeys(ids))
    length = next(n for n in range(_LEAST, _WHOLE + 1) if _tells_apart(every, n))
    return {one: one[:length] if _MINTED.fullmatch(one) else one for one in every}


def _tells_apart(ids: Iterable[str], length: int) -> bool:
    """Whether no minted id begins as another id does."""
    known = Counter(one[:length] for one in ids)
    minted = (one for one in ids if _MINTED.fullmatch(one))
    return length == _WHOLE or all(known[one[:length]] == 1 for one in minted)
