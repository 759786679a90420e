"""Bills: rows of what a provider says was used and charged, whatever layout they came in."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from agentmeter.exceptions import MoneyError, SourceError
from agentmeter.model import Usage
from agentmeter.model.money import exact

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BillRow:
    """One row: a day (UTC), a model and a key, with quantities, an amount, or both.

    ``model`` and ``key`` are ``None`` where the bill is not broken down by them; ``usage`` is
    ``None`` where it counts nothing, ``amount`` where it charges nothing. ``key`` is an API key,
    project, workspace or account, as the provider names it.
    """

    day: date
    provider: str
    model: str | None
    key: str | None
    usage: Usage | None
    amount: Decimal | None
    currency: str
    place: str
    tier: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What one file held: its layout, its rows, and what could not be read.

    ``days`` are the days it speaks of, also those on which nothing was used; ``skipped`` counts
    the rows about something else than models; ``note`` says what the layout leaves out.
    """

    layout: str
    provider: str | None
    rows: tuple[BillRow, ...]
    days: frozenset[date]
    problems: tuple[str, ...] = ()
    skipped: int = 0
    note: str | None = None


class FieldError(ValueError):
    """A field of a row that cannot be read; the row is left out and told of."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of one row of a file, and where it stands. Raises ``FieldError``."""

    values: Mapping[str, Any]
    place: str

    def text(self, *names: str) -> str | None:
        """The first of the fields that says something, as text."""
        for name in names:
            value = self.values.get(name)
            if value is not None and str(value).strip():
                return str(value).strip()
        return None

    def needed(self, *names: str) -> str:
        """The same, of which there must be one."""
        found = self.text(*names)
        if found is None:
            raise FieldError(f"{self.place}: {names[0]}: is missing")
        return found

    def count(self, *names: str) -> int | None:
        """A count, which a table may write as ``59200.0``."""
        found = self.amount(*names)
        if found is None:
            return None
        if found < 0 or found != found.to_integral_value():
            raise FieldError(f"{self.place}: {names[0]}: expected a count, got {found}")
        return int(found)

    def amount(self, *names: str) -> Decimal | None:
        """An exact decimal."""
        found = self.text(*names)
        try:
            return None if found is None else exact(found)
        except MoneyError as error:
            raise FieldError(f"{self.place}: {names[0]}: expected a number: {error}") from error

    def day(self, *names: str) -> date:
        """The day in UTC of an instant: Unix seconds, ISO 8601, or a date."""
        found = self.needed(*names)
        try:
            if found.isdigit():
                return (_EPOCH + timedelta(seconds=int(found))).date()
            at = datetime.fromisoformat(found.removesuffix(" UTC"))
        except (ValueError, OverflowError) as error:
            wanted = "Unix seconds or a date such as 2026-01-31"
            raise FieldError(
                f"{self.place}: {names[0]}: expected {wanted}, got {found!r}"
            ) from error
        return (at if at.tzinfo is None else at.astimezone(UTC)).date()

    def usage(self, quantities: Mapping[str, int | None]) -> Usage:
        """Quantities by meter, of which none may be less than nothing."""
        known = {meter: count for meter, count in quantities.items() if count}
        for meter, count in known.items():
            if count < 0:
                raise FieldError(f"{self.place}: {meter}: a part is larger than its whole")
        return Usage(known)


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout of bills: the columns that tell it (of each variant), and how a row is read.

    ``when`` are the names of the field that says when; ``read`` answers ``None`` for a row about
    something else than models; ``note`` says what the provider leaves out.
    """

    name: str
    provider: str | None
    columns: tuple[frozenset[str], ...]
    when: tuple[str, ...]
    read: Callable[[Fields], BillRow | None]
    note: str | None = None

    def fits(self, columns: frozenset[str]) -> bool:
        """Whether all columns of one of the variants are there."""
        return any(variant <= columns for variant in self.columns)

    def day(self, fields: Fields) -> date:
        """The day that a row is about."""
        return fields.day(*self.when)


@dataclass(slots=True)
class _Reading:
    rows: list[BillRow] = field(default_factory=list)
    days: set[date] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    skipped: int = 0


def read_rows(layout: Layout, rows: Iterable[Fields], name: str) -> Bill:
    """The rows of a file in a layout. Rows that cannot be read are told of, the others kept.

    Raises ``SourceError`` if there are rows and none could be read.
    """
    reading = _Reading()
    for fields in rows:
        try:
            row = layout.read(fields)
            day = layout.day(fields)
        except FieldError as problem:
            reading.problems.append(str(problem))
            continue
        if row is None:
            reading.skipped += 1
            continue
        reading.days.add(day)
        if row.usage is not None or row.amount is not None:
            reading.rows.append(row)
    if reading.problems and not reading.days:
        raise SourceError(f"nothing could be read of {name}: {'; '.join(reading.problems[:3])}")
    return Bill(
        layout.name,
        layout.provider,
        tuple(reading.rows),
        frozenset(reading.days),
        tuple(reading.problems),
        reading.skipped,
        layout.note,
    )
