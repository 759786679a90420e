"""What must not be kept: requests older than an age, and what names a user.

Erasing a user keeps the money: what names the user is replaced by a marker that is drawn at random
once for each erasure, so that totals stay true and nothing leads back. ``drop`` takes the user's
requests out altogether, and their cost out of every total. Closed journals are compacted first;
those that are still open cannot be rewritten, and are named.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from agentmeter.pricing.pricer import Pricer
from agentmeter.semconv import names
from agentmeter.store.parquet import quoted
from agentmeter.store.reader import Contents, read_text
from agentmeter.store.rewrite import KEY, OF_NONE, Change, Rewrite, rewriting
from agentmeter.store.rows import Row
from agentmeter.store.source import Progress, silent

_NAMING = (names.USER, names.TAG, names.ATTRIBUTE)
"""What on a span of ours may name a user."""
_MEANING = ("model", "provider", "system", "operation", "reason", "span.kind")
"""What on the spans of others says what a call was, and is not taken for a name."""

_AGED = f"""
INSERT INTO gone
WITH of_each AS (
    SELECT {KEY} AS key, max(ended_ns) AS last_ns FROM everything
    WHERE entry NOT IN {OF_NONE} GROUP BY 1
),
tied AS (
    SELECT DISTINCT request_id AS key, unnest(shares) AS other FROM everything
    WHERE shares IS NOT NULL
)
SELECT e.key FROM of_each AS e
LEFT JOIN tied AS t ON t.key = e.key
LEFT JOIN of_each AS o ON o.key = t.other
GROUP BY e.key, e.last_ns
HAVING greatest(e.last_ns, coalesce(max(o.last_ns), 0)) < ? AND NOT list_contains(?, e.key)
"""


@dataclass(frozen=True, slots=True)
class Removed:
    """How many requests and entries were removed or changed, and the files that were left."""

    requests: int = 0
    entries: int = 0
    left: tuple[Path, ...] = ()


def prune(
    folder: str | Path,
    before_ns: int,
    pricer: Pricer,
    *,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Removed:
    """Remove the requests of which everything ended before ``before_ns`` (ns since the epoch).

    A request goes as a whole or not at all; shared work stays as long as one that shares it, a
    tariff while an entry names it. With ``dry_run`` nothing changes, and journals are not looked
    at. Raises ``SourceError`` and ``BusyError``.
    """
    with rewriting(Path(folder), pricer, progress, compacting=not dry_run) as work:
        work.connection.execute(_AGED, [before_ns, _requests_in(work.left)])
        removed = Removed(work.count("SELECT count(*) FROM gone"), work.entries_gone(), work.left)
        if removed.entries and not dry_run:
            work.run("false", Change())
        return removed


def _requests_in(files: tuple[Path, ...]) -> list[str]:
    """The requests that files tell of: what is still written to is not old."""
    contents = Contents()
    for file in files:
        read_text(file, contents)
    return sorted({entry.request_id for entry in contents.entries})


def erase(
    folder: str | Path,
    user: str,
    pricer: Pricer,
    *,
    drop: bool = False,
    progress: Progress = silent,
) -> Removed:
    """Remove what names ``user``; with ``drop`` the user's requests as a whole.

    ``left`` are the files that name the user and cannot be rewritten: journals still open, and
    files that agentmeter did not write. Raises ``SourceError`` and ``BusyError``.
    """
    said = orjson.dumps(user).decode()
    with rewriting(Path(folder), pricer, progress, compacting=True) as work:
        theirs = f'"user" = {quoted(user)}'
        in_bytes = said.encode().decode("latin-1")
        naming = (
            f"(coalesce({theirs}, false) OR contains(body, {quoted(said)}) "
            f"OR (entry = 'unreadable' AND contains(body, {quoted(in_bytes)})))"
        )
        requests = _theirs(work, theirs, drop=drop)
        entries = work.count(f"SELECT count(*) FROM everything WHERE {naming}")
        if drop:
            entries = max(entries, work.entries_gone())
        if entries:
            leaves = (
                f"(coalesce({theirs}, false) OR list_contains(map_values(tags), {quoted(user)}))"
            )
            work.run(naming, _Blank(user), leaves)
        left = tuple(file for file in work.left if said.encode() in file.read_bytes())
        return Removed(requests, entries, left)


def _theirs(work: Rewrite, theirs: str, *, drop: bool) -> int:
    found = f"SELECT DISTINCT {KEY} AS key FROM everything WHERE {theirs} AND shares IS NULL"
    if drop:
        work.connection.execute(f"INSERT INTO gone {found}")
    return work.count(f"SELECT count(*) FROM ({found})")


class _Blank(Change):
    """Puts a marker where a user is named."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._marker = f"erased-{os.urandom(8).hex()}"

    def span(self, span: Row) -> Row:
        """The span without the user's name in its attributes."""
        given = span.get("attributes") or ()
        ours = any(one.get("key") == names.ENTRY for one in given)
        return {**span, "attributes": [self._attribute(one, ours) for one in given]}

    def _attribute(self, attribute: Row, ours: bool) -> Row:
        key = str(attribute.get("key"))
        named = key.startswith(_NAMING) if ours else not any(word in key for word in _MEANING)
        if not named:
            return attribute
        return {**attribute, "value": self._value(attribute.get("value"))}

    def _value(self, value: object) -> object:
        if isinstance(value, dict):
            return {key: self._value(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return self._marker if value == self._user else value

    def text(self, text: str) -> str:
        """A line that is no span: where it names the user, it is cut there."""
        named = orjson.dumps(self._user).decode().encode().decode("latin-1")
        return text.replace(named, orjson.dumps(self._marker).decode())
