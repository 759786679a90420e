"""The spans of an export: which are taken, as which lines, and why the others are not."""

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from agentmeter.model import Record
from agentmeter.pricing.keys import key_of
from agentmeter.pricing.pricer import Pricer
from agentmeter.pricing.tariff import Tariff
from agentmeter.semconv import names
from agentmeter.semconv.content import without_content
from agentmeter.semconv.otlp import parts_in
from agentmeter.serve.limits import Limits
from agentmeter.serve.refusal import Refusal
from agentmeter.store.lines import line_of, tariff_fields
from agentmeter.store.rows import Read, read_span

_TOLD = 5
"""Of the spans that are not taken the reasons of the first few are told."""
_DIGITS = {"traceId": 32, "spanId": 16}
_NEEDED = ("traceId", "spanId", "startTimeUnixNano")
_IDS = (*_DIGITS, "parentSpanId")
_DIGITS_OF_64_BITS = 20
_HEX = re.compile("[0-9a-fA-F]+")


_TOO_MUCH = "the export is too large once each span stands with its resource; send less at once"


@dataclass(frozen=True, slots=True)
class Taken:
    """What is to be written of an export, and what is not: one reason for each span refused.

    ``tariffs`` are lines by digest, of tariffs that its records name and the sender did not send.
    """

    lines: tuple[bytes, ...] = ()
    refused: tuple[str, ...] = ()
    tariffs: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def told(self) -> str:
        """The reasons, for the sender."""
        more = len(self.refused) - _TOLD
        said = "; ".join(self.refused[:_TOLD])
        return f"{said}; and {more:,} more" if more > 0 else said


class _RefusedError(Exception):
    """A span that is not taken, and why."""


class Intake:
    """Turns exports into lines of a journal; safe to use from several threads.

    A line holds one span with its resource and scope as they were sent, but without what was said
    to a model or by it, unless ``keep_content``.
    """

    def __init__(self, limits: Limits, pricer: Pricer, *, keep_content: bool = False) -> None:
        self._limits = limits
        self._pricer = pricer
        self._keep_content = keep_content
        self._lock = threading.Lock()

    def take(self, document: Any, tenant: str | None = None) -> Taken:
        """Read an export; whatever it says of the tenant, ``tenant`` holds where it is given.

        Raises ``Refusal`` for what is no export at all.
        """
        lines: list[bytes] = []
        refused: list[str] = []
        tariffs: dict[str, bytes] = {}
        around = _Envelope(self._limits.depth)
        room = self._limits.written
        try:
            for number, (span, scope, resource) in enumerate(parts_in(document), 1):
                try:
                    around.open(scope, resource)
                    read, kept = self._read(span, scope, tenant)
                    line = around.line(kept)
                    room -= len(line)
                    if room < 0:
                        raise _RefusedError(_TOO_MUCH)
                    lines.append(line)
                    tariffs.update(self._tariff(read))
                except _RefusedError as error:
                    refused.append(f"span {number}: {error}")
        except ValueError as error:
            raise Refusal(400, str(error)) from error
        return Taken(tuple(lines), tuple(refused), tariffs)

    def _read(
        self, given: Any, scope: Mapping[str, Any], tenant: str | None
    ) -> tuple[Read, dict[str, Any]]:
        """What a span says, and the span as it is kept. Raises ``_RefusedError``."""
        if not isinstance(given, Mapping):
            raise _RefusedError(f"{given!r:.60} is no span")
        span = _plainly(given)
        self._check(span)
        if tenant is not None:
            span["attributes"] = _of_tenant(span.get("attributes", []), tenant)
        read = read_span(span, str(scope.get("name", "")), "")
        if read.entry is None and read.tariff is None and read.faults is None:
            raise _RefusedError("; ".join(read.problems).removeprefix(": "))
        if read.foreign:
            _check_ids(span)
        return read, span if self._keep_content else without_content(span)

    def _check(self, span: Mapping[str, Any]) -> None:
        missing = [name for name in _NEEDED if name not in span]
        if missing:
            raise _RefusedError(f"{missing[0]} is missing")
        attributes = span.get("attributes", [])
        if not isinstance(attributes, list) or not all(map(_is_attribute, attributes)):
            raise _RefusedError("attributes: expected a list of objects with a key and a value")
        if len(attributes) > self._limits.attributes:
            most = self._limits.attributes
            raise _RefusedError(f"{len(attributes):,} attributes; {most:,} are taken at most")
        beyond = [entry["key"] for entry in attributes if _is_beyond(entry["value"])]
        if beyond:
            raise _RefusedError(f"{beyond[0]!r:.80}: a whole number beyond 64 bits")
        if _is_deeper(span, self._limits.depth):
            raise _RefusedError(_too_deep(self._limits.depth))

    def _tariff(self, read: Read) -> Iterator[tuple[str, bytes]]:
        """The tariff that a record names, where the one that is known here is the very same."""
        call = read.entry.call if isinstance(read.entry, Record) else None
        if call is None or call.tariff is None:
            return
        with self._lock:
            known = self._pricer.tariff(key_of(call))
        if isinstance(known, Tariff) and known.digest == call.tariff:
            yield known.digest, line_of(tariff_fields(known))


def _plainly(span: Mapping[str, Any]) -> dict[str, Any]:
    """A span without what is null, which says as much as what is absent, and ids in lower case."""
    kept = {name: value for name, value in span.items() if value is not None}
    for name in _IDS:
        if isinstance(kept.get(name), str):
            kept[name] = kept[name].lower() if _HEX.fullmatch(kept[name]) else kept[name]
    return kept


def _is_attribute(entry: Any) -> bool:
    return (
        isinstance(entry, Mapping)
        and isinstance(entry.get("key"), str)
        and isinstance(entry.get("value"), Mapping)
    )


def _is_beyond(value: Mapping[str, Any]) -> bool:
    """Whether a value is no whole number that OTLP can hold; what is none at all is seen later."""
    number = value.get("intValue", 0)
    if isinstance(number, str):
        return len(number) > _DIGITS_OF_64_BITS or not -(2**63) <= _whole(number) < 2**63
    return isinstance(number, (int, float)) and not -(2**63) <= number < 2**63


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _check_ids(span: Mapping[str, Any]) -> None:
    for name, digits in _DIGITS.items():
        said = span[name]
        if len(said) != digits or not _HEX.fullmatch(said) or not said.strip("0"):
            expected = f"{name}: expected {digits} hex digits, not all of them zero"
            raise _RefusedError(f"{expected}, got {said!r:.60}")


def _of_tenant(attributes: list[Any], tenant: str) -> list[Any]:
    own = {"key": names.TENANT, "value": {"stringValue": tenant}}
    return [*(entry for entry in attributes if entry["key"] != names.TENANT), own]


def _is_deeper(value: Any, depth: int) -> bool:
    if isinstance(value, Mapping):
        return not depth or any(_is_deeper(inner, depth - 1) for inner in value.values())
    if isinstance(value, list):
        return not depth or any(_is_deeper(inner, depth - 1) for inner in value)
    return False


def _too_deep(depth: int) -> str:
    return f"a value is nested more than {depth} deep"


class _Envelope:
    """What stands around a span: its resource and scope, written once for all that share them."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._of: tuple[Any, Any] | None = None
        self._head = b""

    def open(self, scope: Mapping[str, Any], resource: Any) -> None:
        """Begin with the spans of another scope, unless it is the same still."""
        if self._of is not None and self._of[0] is scope and self._of[1] is resource:
            return
        self._of = None
        if _is_deeper(scope, self._depth) or _is_deeper(resource, self._depth):
            raise _RefusedError(_too_deep(self._depth))
        about = b'"resource":%s,' % orjson.dumps(resource) if isinstance(resource, Mapping) else b""
        head = b'{"resourceSpans":[{%s"scopeSpans":[{"scope":%s,"spans":['
        self._of, self._head = (scope, resource), head % (about, orjson.dumps(scope))

    def line(self, span: Mapping[str, Any]) -> bytes:
        """One line of a journal."""
        return self._head + orjson.dumps(span) + b"]}]}]}\n"
